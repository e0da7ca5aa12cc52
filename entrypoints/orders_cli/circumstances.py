"""How the service is started for which `orders check` is asked: by systemd, as whom, with what."""

import os
import pwd
from collections.abc import Iterable, Mapping, Sequence

from attrs import frozen

from orders_service.config import SETTINGS, InvalidConfig
from orders_service.systemd import OPERATIONS
from orders_service.units import ServiceUnit, UnitSocket, UnknownUnit, ask_systemd, systemd_runs
from orders_service.values import Address


@frozen
class Circumstances:
    """How the service is started for which a configuration is checked.

    Attributes:
        unit: What systemd starts it with; None when systemd does not, or does not tell.
        remarks: What the reader should know, a sentence each.
        is_known: Whether it is known what opens the addresses.
    """

    unit: ServiceUnit | None = None
    remarks: Sequence[str] = ()
    is_known: bool = True

    @property
    def operations(self) -> Address | None:
        """Where probes are asked for over TCP, if systemd listens there."""
        return next(filter(None, (each.address for each in self.for_operations)), None)

    @property
    def for_operations(self) -> Sequence[UnitSocket]:
        """What systemd listens on for probes and metrics."""
        return [each for each in self._sockets if each.name == OPERATIONS]

    @property
    def orders(self) -> Sequence[UnitSocket]:
        """What systemd listens on for the orders and the page."""
        return [each for each in self._sockets if each.name != OPERATIONS]

    @property
    def _sockets(self) -> Sequence[UnitSocket]:
        return () if self.unit is None else self.unit.sockets


def circumstances_of(name: str, environ: Mapping[str, str], *, is_asked_for: bool) -> Circumstances:
    """Find out how systemd starts a service, and become its user in its folder, if root asks.

    Args:
        name: The service unit; empty when systemd does not start what is meant.
        environ: The environment that the configuration is read from.
        is_asked_for: Whether the person who runs this named the unit.

    Raises:
        InvalidConfig: The unit was asked for, and there is none.
    """
    if not name or not (is_asked_for or systemd_runs()):
        return Circumstances()
    try:
        unit = ask_systemd(name)
    except UnknownUnit as error:
        remark = f"it is unknown what systemd hands over to {name}: {error}"
        return Circumstances(remarks=[remark], is_known=False)
    if unit is None:
        if is_asked_for:
            raise InvalidConfig([f"there is no unit {name}; --unit names the service"])
        return Circumstances()
    remarks = list(unit.remarks)
    ours = {f"{each.variable}{end}" for each in SETTINGS for end in ("", "_FILE")}
    unseen = sorted(unit.variables & ours - environ.keys())
    if unseen:
        remarks.append(f"{name} sets {', '.join(unseen)}, which this check does not see")
    remarks.extend(_become(unit))
    return Circumstances(unit, remarks)


def _become(unit: ServiceUnit) -> Iterable[str]:
    """Go on as the service's user in its folder, so that what it cannot read fails here too."""
    if not unit.user:
        return
    try:
        user = pwd.getpwnam(unit.user)
    except KeyError:
        yield f"{unit.name} runs as {unit.user}, and there is no such user"
        return
    if os.geteuid() == 0 and user.pw_uid != 0:
        os.initgroups(user.pw_name, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    if os.geteuid() != user.pw_uid:
        yield f"{unit.name} runs as {unit.user}, this check does not: run it as {unit.user} or root"
    elif unit.folder is not None:
        os.chdir(unit.folder)
