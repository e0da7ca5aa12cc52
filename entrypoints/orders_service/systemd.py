"""What a service tells systemd and takes from it: sd_notify(3) and sd_listen_fds(3)."""

import logging
import os
import socket
from collections.abc import Mapping, Sequence
from typing import Final

from attrs import frozen

from orders_service.config import InvalidConfig

_LOG: Final = logging.getLogger(__name__)

OPERATIONS: Final = "operations"
"""The name of the socket for probes and metrics; those of any other name are for the orders."""

_FIRST_DESCRIPTOR: Final = 3
_FAMILIES: Final = frozenset({socket.AF_INET, socket.AF_INET6, socket.AF_UNIX})


@frozen
class Notifier:
    """Tells the service manager how the service is. Without a manager it tells nobody.

    Attributes:
        address: The manager's socket; a leading `@` means an abstract one. None is no manager.
        watched: Whether the manager restarts a service of which it hears nothing.
    """

    address: str | None = None
    watched: bool = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], pid: int) -> "Notifier":
        """Read what the manager left in the environment of the process `pid`."""
        meant = environ.get("WATCHDOG_PID", str(pid)) == str(pid)
        return cls(
            environ.get("NOTIFY_SOCKET") or None,
            meant and environ.get("WATCHDOG_USEC", "").isdecimal(),
        )

    def tell(self, *assignments: str) -> None:
        """Send assignments such as `READY=1`. A manager that does not listen is logged."""
        if self.address is None:
            return
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.sendto("\n".join(assignments).encode(), address)
        except OSError as error:
            _LOG.warning("the service manager does not listen", exc_info=error)

    def tell_watchdog(self) -> None:
        """Say that the service is well, if the manager asked for it."""
        if self.watched:
            self.tell("WATCHDOG=1")


def set_by_socket(name: str) -> str:
    """Name what changes a socket that the manager opened: its unit, when it has no other name."""
    unit = name if name.endswith(".socket") else f"the socket unit with FileDescriptorName={name}"
    return f"ListenStream= in {unit}"


def inherited_sockets(
    environ: Mapping[str, str], pid: int
) -> Mapping[str, Sequence[socket.socket]]:
    """Take the listening sockets that the service manager opened for the process `pid`.

    Returns:
        The sockets by their names, from `FileDescriptorName=`; `unknown` when they have none.

    Raises:
        InvalidConfig: One of them is no socket on which clients can be accepted.
    """
    count = environ.get("LISTEN_FDS", "")
    if environ.get("LISTEN_PID") != str(pid) or not count.isdecimal():
        return {}
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    sockets: dict[str, list[socket.socket]] = {}
    problems = []
    for index in range(int(count)):
        descriptor = _FIRST_DESCRIPTOR + index
        name = names[index] if index < len(names) and names[index] else "unknown"
        try:
            sockets.setdefault(name, []).append(_listening(descriptor))
        except ValueError as error:
            problems.append(
                f"descriptor {descriptor} ({name}), which the service manager hands over, {error}; "
                "Orders accepts clients itself, on stream sockets of IP or Unix: in the unit of "
                "the socket, use ListenStream= and Accept=no"
            )
    if problems:
        raise InvalidConfig(problems)
    return sockets


def _listening(descriptor: int) -> socket.socket:
    """Take a socket that listens.

    Raises:
        ValueError: No client can be accepted from it; the message says why.
    """
    try:
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - its only form
        taken = socket.socket(fileno=descriptor)
    except OSError as error:
        message = f"is no socket: {error.strerror}"
        raise ValueError(message) from None
    kind = f"{taken.family.name} {taken.type.name}"
    if taken.family not in _FAMILIES or taken.type != socket.SOCK_STREAM:
        message = f"is of another kind: {kind}"
    elif not taken.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        message = f"does not listen: {kind}"
    else:
        return taken
    taken.close()
    raise ValueError(message)
