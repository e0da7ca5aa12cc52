"""The listening sockets of a service: passed by the service manager, or opened here."""

import os
import socket
from collections.abc import Callable, Iterable, Sequence

from orders_http.server.listening_sockets import bind, listen
from orders_service.configuration.parsers import Address
from orders_service.configuration.settings import Config, Listener
from orders_service.systemd import OPERATIONS, inherited_sockets, set_by_socket


def listening_sockets(
    config: Config,
) -> tuple[Sequence[socket.socket], Sequence[socket.socket]]:
    """Take the sockets that the service manager passed, and open the others.

    Returns:
        The sockets for the orders and the page, and those for probes and metrics.

    Raises:
        InvalidConfig: Other machines can connect without a token, or the service manager passed a
            socket that cannot accept clients.
        OSError: The service cannot listen on an address.
    """
    inherited = dict(inherited_sockets(os.environ, os.getpid()))
    operations = inherited.pop(OPERATIONS, ())
    orders = [each for sockets in inherited.values() for each in sockets]
    # The service manager may have opened other addresses than those of the configuration.
    config.refuse_unprotected(
        Listener(Address(*each.getsockname()[:2]), set_by_socket(name))
        for name, sockets in inherited.items()
        for each in sockets
        # Only this machine can reach a Unix socket.
        if each.family != socket.AF_UNIX
    )
    return (
        orders or _opened(listen, config.listener),
        operations or _opened(listen, config.operations_listener),
    )


def try_listening(listener: Listener) -> None:
    """Find out whether the service could listen on an address, without listening.

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
    """Open an address.

    Raises:
        OSError: The address is unavailable; the message says why, and what sets it.
    """
    try:
        return open_sockets(listener.address.host, listener.address.port)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a valid name"
        message = f"cannot listen: {reason}; {listener.set_by} sets the address"
        raise OSError(0, message, str(listener.address)) from error
