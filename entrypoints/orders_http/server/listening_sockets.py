"""Listening sockets, which are opened before the servers are built."""

import os
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

BACKLOG: Final = 4096
"""How many connections may wait to be accepted, unless net.core.somaxconn allows fewer."""


def listen(host: str, port: int) -> Sequence[socket.socket]:
    """Listen on every address of a host.

    Args:
        host: A host name or an address.
        port: The port; 0 lets the system choose one for all addresses.

    Raises:
        OSError: Listening on an address failed, or the name has no address.
    """
    with ExitStack() as opened:
        sockets = [opened.enter_context(listener) for listener in bind(host, port)]
        for listener in sockets:
            listener.listen(BACKLOG)
        opened.pop_all()
    return sockets


def bind(host: str, port: int) -> Sequence[socket.socket]:
    """Bind to every address of a host without listening: no client can connect yet.

    Args:
        host: A host name or an address.
        port: The port; 0 lets the system choose one for all addresses.

    Raises:
        OSError: An address is in use or belongs to another machine, or the name has no address.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    with ExitStack() as opened:
        for family, address in dict.fromkeys((each[0], each[4]) for each in found):
            listener = opened.enter_context(socket.socket(family, socket.SOCK_STREAM))
            sockets.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            chosen = sockets[0].getsockname()[1] if port == 0 else port
            listener.bind((address[0], chosen, *address[2:]))
        opened.pop_all()
    return sockets


def address_of(listener: socket.socket) -> str:
    """Format a listening socket's address: `127.0.0.1:8000`, `[::1]:8000`, `unix:/run/orders.sock`.

    The name of an abstract Unix socket starts with `@`, as in systemd.
    """
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return f"unix:{os.fsdecode(name).replace(chr(0), '@')}"
    host, port = name[:2]
    return f"{f'[{host}]' if ':' in host else host}:{port}"


def url_of(listener: socket.socket) -> str:
    """Format a listening socket's URL: `http://127.0.0.1:8000/`, `unix:/run/orders.sock`."""
    address = address_of(listener)
    return address if listener.family == socket.AF_UNIX else f"http://{address}/"
