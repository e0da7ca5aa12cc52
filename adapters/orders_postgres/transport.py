"""The socket to a server: connected, probed when silent, and encrypted if TLS is wanted."""

import socket
import ssl
from contextlib import suppress
from typing import Final

from orders_core import Reason
from orders_postgres.errors import Unsuitable
from orders_postgres.url import DatabaseUrl, Host

# PostgreSQL, "Message Formats": SSLRequest.
_SSL_REQUEST: Final = bytes.fromhex("00000008 04d2162f")
_TLS_ACCEPTED: Final = b"S"


def open_transport(host: Host, url: DatabaseUrl, context: ssl.SSLContext | None) -> socket.socket:
    """Connect to a host; given a context, start TLS before anything else is sent.

    Raises:
        OSError: The host cannot be reached, or TLS fails.
        Unsuitable: The server does not support TLS.
    """
    seconds = url.connect_timeout
    if host.socket_path is not None:
        transport = socket.socket(socket.AF_UNIX)
    else:
        transport = socket.create_connection((host.name, host.port), timeout=seconds)
    try:
        transport.settimeout(seconds)
        if host.socket_path is not None:
            transport.connect(host.socket_path)
            return transport
        transport.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _keep_alive(transport, url)
        return transport if context is None else _encrypted(transport, context, host.name)
    except BaseException:
        transport.close()
        raise


def close_transport(transport: socket.socket) -> None:
    """Close at once, even while pg8000 holds a file made from the socket."""
    with suppress(OSError):
        transport.shutdown(socket.SHUT_RDWR)
    transport.close()


def _keep_alive(transport: socket.socket, url: DatabaseUrl) -> None:
    transport.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, int(url.keepalives))
    options = {
        socket.TCP_KEEPIDLE: url.keepalives_idle,
        socket.TCP_KEEPINTVL: url.keepalives_interval,
        socket.TCP_KEEPCNT: url.keepalives_count,
        socket.TCP_USER_TIMEOUT: url.tcp_user_timeout,
    }
    for option, value in options.items():
        if value:
            transport.setsockopt(socket.IPPROTO_TCP, option, value)


def _encrypted(transport: socket.socket, context: ssl.SSLContext, host: str) -> ssl.SSLSocket:
    transport.sendall(_SSL_REQUEST)
    answer = transport.recv(1)
    if not answer:
        raise ConnectionResetError("the server closed the connection when it was asked for TLS")
    if answer != _TLS_ACCEPTED:
        raise Unsuitable(Reason.TLS, "the server does not support TLS; nothing was sent to it")
    return context.wrap_socket(transport, server_hostname=host)
