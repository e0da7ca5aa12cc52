"""systemd's protocols for services: sd_notify(3) and sd_listen_fds(3)."""

import logging
import os
import socket
from collections.abc import Mapping, Sequence
from typing import Final

from attrs import frozen

from orders_service.configuration.settings import InvalidConfig

_LOG: Final = logging.getLogger(__name__)

OPERATIONS: Final = "operations"
"""The name of the socket for probes and metrics; sockets of any other name are for the orders."""

_FIRST_DESCRIPTOR: Final = 3
_FAMILIES: Final = frozenset({socket.AF_INET, socket.AF_INET6, socket.AF_UNIX})


@frozen
class Notifier:
    """Informs the service manager. Does nothing without one.

    Attributes:
        address: The manager's socket; a leading `@` means an abstract one. None for no manager.
        watched: Whether the manager has a watchdog for the service.
    """

    address: str | None = None
    watched: bool = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], pid: int) -> "Notifier":
        """Read what the manager set in the environment of the process `pid`."""
        meant = environ.get("WATCHDOG_PID", str(pid)) == str(pid)
        return cls(
            environ.get("NOTIFY_SOCKET") or None,
            meant and environ.get("WATCHDOG_USEC", "").isdecimal(),
        )

    def tell(self, *assignments: str) -> None:
        """Send assignments such as `READY=1`. A failure is logged."""
        if self.address is None:
            return
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.sendto("\n".join(assignments).encode(), address)
        except OSError as error:
            _LOG.warning("the service manager cannot be reached", exc_info=error)

    def tell_watchdog(self) -> None:
        """Feed the watchdog, if the manager has one."""
        if self.watched:
            self.tell("WATCHDOG=1")


def set_by_socket(name: str) -> str:
    """Name what sets the address of a socket that the manager opened."""
    unit = name if name.endswith(".socket") else f"the socket unit with FileDescriptorName={name}"
    return f"ListenStream= in {unit}"


def inherited_sockets(
    environ: Mapping[str, str], pid: int
) -> Mapping[str, Sequence[socket.socket]]:
    """Take the listening sockets that the service manager passed to the process `pid`.

    Returns:
        The sockets by `FileDescriptorName=`, or `unknown` without one.

    Raises:
        InvalidConfig: One of them cannot accept clients.
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
                f"descriptor {descriptor} ({name}), passed by the service manager, {error}; Orders "
                "needs listening stream sockets of IP or Unix: use ListenStream= and Accept=no in "
                "the socket unit"
            )
    if problems:
        raise InvalidConfig(problems)
    return sockets


def _listening(descriptor: int) -> socket.socket:
    """Take a socket that listens.

    Raises:
        ValueError: It cannot accept clients; the message says why.
    """
    try:
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - its only form
        listening = socket.socket(fileno=descriptor)
    except OSError as error:
        message = f"is not a socket: {error.strerror}"
        raise ValueError(message) from None
    kind = f"{listening.family.name} {listening.type.name}"
    if listening.family not in _FAMILIES or listening.type != socket.SOCK_STREAM:
        message = f"has the wrong type: {kind}"
    elif not listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        message = f"does not listen: {kind}"
    else:
        return listening
    listening.close()
    raise ValueError(message)
