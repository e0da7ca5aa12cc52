"""The listening sockets of a service: those that the service manager opened, or its own."""

import os
import socket
from collections.abc import Callable, Iterable, Sequence

from orders_http.server.listening import bind, listen
from orders_service.config import Config, Listener
from orders_service.systemd import OPERATIONS, inherited_sockets, set_by_socket
from orders_service.values import Address


def listening_sockets(
    config: Config,
) -> tuple[Sequence[socket.socket], Sequence[socket.socket]]:
    """Take the sockets that the service manager opened, and open the others.

    Returns:
        The sockets for the orders and the page, and those for probes and metrics.

    Raises:
        InvalidConfig: Other machines can connect, and nothing keeps them out; or the service
            manager passed a socket on which no client can be accepted.
        OSError: An address cannot be listened on.
    """
    inherited = dict(inherited_sockets(os.environ, os.getpid()))
    operations = inherited.pop(OPERATIONS, ())
    orders = [each for sockets in inherited.values() for each in sockets]
    # A service manager may have opened other addresses than the configuration has.
    config.refuse_unprotected(
        Listener(Address(*each.getsockname()[:2]), set_by_socket(name))
        for name, sockets in inherited.items()
        for each in sockets
        # Only this machine reaches a Unix socket.
        if each.family != socket.AF_UNIX
    )
    own_operations = Listener(config.ops_listen, config.set_by("ops_listen"))
    return (
        orders or _opened(listen, config.listener),
        operations or _opened(listen, own_operations),
    )


def try_listening(listener: Listener) -> None:
    """Find out whether an address can be listened on, without listening.

    Raises:
        OSError: As when the service starts.
    """
    close_all(_opened(bind, listener))


def close_all(sockets: Iterable[socket.socket]) -> None:
    """Close sockets in this process; other processes keep theirs."""
    for each in sockets:
        each.close()


def _opened(
    open_sockets: Callable[[str, int], Sequence[socket.socket]],
    listener: Listener,
) -> Sequence[socket.socket]:
    """Open an address, or say which one is unavailable and how to choose another.

    Raises:
        OSError: The address is in use, is not of this machine, or is no address at all.
    """
    try:
        return open_sockets(listener.address.host, listener.address.port)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no name"
        message = f"cannot be listened on: {reason}; {listener.set_by} chooses another address"
        raise OSError(0, message, str(listener.address)) from error
