"""How systemd starts the service whose configuration is checked."""

import os
import pwd
from collections.abc import Iterator, Mapping, Sequence

from attrs import frozen

from orders_service.configuration.parsers import Address
from orders_service.configuration.settings import SETTINGS, InvalidConfig
from orders_service.systemd import OPERATIONS
from orders_service.systemd_unit import (
    ServiceUnit,
    UnitSocket,
    UnknownUnit,
    ask_systemd,
    systemd_runs,
)


@frozen
class UnitLookup:
    """What systemd knows of a service.

    Attributes:
        unit: The service's unit; None if systemd does not start it, or did not answer.
        remarks: What the reader should know, one sentence each.
        is_known: Whether it is known who opens the addresses.
    """

    unit: ServiceUnit | None = None
    remarks: Sequence[str] = ()
    is_known: bool = True

    @property
    def operations_address(self) -> Address | None:
        """The TCP address of the probes, if systemd listens there."""
        return next(filter(None, (each.address for each in self.operations_sockets)), None)

    @property
    def operations_sockets(self) -> Sequence[UnitSocket]:
        """The sockets that systemd opens for probes and metrics."""
        return [each for each in self._sockets if each.name == OPERATIONS]

    @property
    def orders_sockets(self) -> Sequence[UnitSocket]:
        """The sockets that systemd opens for the orders and the page."""
        return [each for each in self._sockets if each.name != OPERATIONS]

    @property
    def _sockets(self) -> Sequence[UnitSocket]:
        return () if self.unit is None else self.unit.sockets


def look_up_unit(name: str, environ: Mapping[str, str], *, is_required: bool) -> UnitLookup:
    """Find out how systemd starts a service; root then switches to its user and folder.

    Args:
        name: The service unit; empty if systemd does not start the service.
        environ: The environment that the configuration is read from.
        is_required: Whether the unit must exist.

    Raises:
        InvalidConfig: A required unit does not exist.
    """
    if not name or not (is_required or systemd_runs()):
        return UnitLookup()
    try:
        unit = ask_systemd(name)
    except UnknownUnit as error:
        remark = f"cannot find out which sockets systemd passes to {name}: {error}"
        return UnitLookup(remarks=[remark], is_known=False)
    if unit is None:
        if is_required:
            raise InvalidConfig([f"systemd has no unit {name}; --unit must name the service"])
        return UnitLookup()
    remarks = list(unit.remarks)
    ours = {f"{each.variable}{end}" for each in SETTINGS for end in ("", "_FILE")}
    unseen = sorted(unit.variables & ours - environ.keys())
    if unseen:
        remarks.append(f"{name} sets {', '.join(unseen)}, which this check does not see")
    remarks.extend(_become_user_of(unit))
    return UnitLookup(unit, remarks)


def _become_user_of(unit: ServiceUnit) -> Iterator[str]:
    """Switch to the service's user and folder, so that what it cannot read fails here too."""
    if not unit.user:
        return
    try:
        user = pwd.getpwnam(unit.user)
    except KeyError:
        yield f"{unit.name} runs as {unit.user}, but there is no such user"
        return
    if os.geteuid() == 0 and user.pw_uid != 0:
        os.initgroups(user.pw_name, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    if os.geteuid() != user.pw_uid:
        yield (
            f"{unit.name} runs as {unit.user}, but this check does not: run it as {unit.user} or "
            "root"
        )
    elif unit.folder is not None:
        os.chdir(unit.folder)
