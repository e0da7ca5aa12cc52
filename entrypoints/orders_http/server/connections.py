"""Connections: what Waitress 3.0.2 leaves open about slow, refused and late clients, closed."""

import errno
import logging
import select
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Any, Final

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask
from waitress.utilities import Error

from orders_http.api.messages import Reply
from orders_http.api.problems import Problem, ProblemType
from orders_http.server.episodes import Episode
from orders_http.server.parsing import Parser

_LOG: Final = logging.getLogger(__name__)

RECEIVE_SECONDS: Final = 10.0
"""How long a request may take to arrive, from its first byte to its last."""

STALLED_SECONDS: Final = 15.0
"""How long a client may take none of a reply that waits for it."""

_LINGER_SECONDS: Final = 2.0
# How long a connection is left to the other processes before this one looks again.
_LEFT_SECONDS: Final = 0.01
_ACCEPTED_AT_ONCE: Final = 64
# The address and the port of every client of a Unix socket, which has neither.
_THIS_MACHINE: Final = ("unix", 0)
# How long it stops accepting when the system has no room for one more.
_PAUSE_SECONDS: Final = 0.1
# Errors of one connection, which is gone; accept(2) names them.
_OF_ONE_CONNECTION: Final = frozenset(
    {
        *(errno.ECONNABORTED, errno.EPROTO, errno.ENETDOWN, errno.ENOPROTOOPT, errno.EHOSTDOWN),
        *(errno.ENONET, errno.EHOSTUNREACH, errno.EOPNOTSUPP, errno.ENETUNREACH),
    },
)
_AT_ONCE: Final = struct.pack("ii", 1, 0)
# Where Waitress's own words speak of its settings.
_DETAILS: Final = {
    ProblemType.BODY_TOO_LARGE: "the body is longer than any that is taken",
    ProblemType.HEADERS_TOO_LARGE: "the request line and the headers are longer than 16 KiB",
    ProblemType.INTERNAL_ERROR: ProblemType.INTERNAL_ERROR.title,
}
_PROBLEMS: Final = {
    408: ProblemType.REQUEST_TIMEOUT,
    413: ProblemType.BODY_TOO_LARGE,
    431: ProblemType.HEADERS_TOO_LARGE,
    500: ProblemType.INTERNAL_ERROR,
}


class _RequestTimeout(Error):  # type: ignore[misc]  # Waitress has no types
    code = 408


class _ProblemTask(ErrorTask):  # type: ignore[misc]  # Waitress has no types
    """Answers what Waitress refuses by itself with problem details."""

    def execute(self) -> None:
        error = self.request.error
        problem_type = _PROBLEMS.get(error.code, ProblemType.MALFORMED_REQUEST)
        detail = _DETAILS.get(problem_type, str(error.body))
        reply = self.channel.server.refuse(self._environ(), Problem(problem_type, detail))
        self.status = f"{reply.status.value} {reply.status.phrase}"
        self.response_headers.extend(reply.header_list())
        self.set_close_on_finish()
        self.channel.refused = True
        self.content_length = len(reply.body)
        # A head that could not be read has no command.
        head = getattr(self.request, "command", "") == "HEAD"
        self.write(b"" if head else reply.body)

    def _environ(self) -> dict[str, str]:
        """Give what is known of the request, as WSGI names it."""
        return {
            "REQUEST_METHOD": getattr(self.request, "command", ""),
            "REMOTE_ADDR": self.channel.addr[0],
            **{f"HTTP_{name}": value for name, value in self.request.headers.items()},
        }


class Channel(HTTPChannel):  # type: ignore[misc]  # Waitress has no types
    """One connection: refuses politely, and does not wait for ever."""

    parser_class = Parser
    error_task_class = _ProblemTask
    refused = False
    _active = 0.0
    _lingers_until: float | None = None
    _receiving_since: float | None = None

    request: Any
    requests: Any

    @property
    def last_activity(self) -> float:
        """When something came or went last, by the monotonic clock."""
        return self._active

    @last_activity.setter
    def last_activity(self, _wall_time: float) -> None:
        # Waitress notes the time of the wall clock, which may be set forward or back.
        self._active = time.monotonic()

    # A client may disconnect at any time, for many reasons; none is an error of the server.

    def recv(self, size: int) -> bytes:
        """Receive what has arrived; nothing, and close, when the client has disconnected."""
        try:
            return bytes(super().recv(size))
        except BlockingIOError:
            return b""
        except OSError:
            self.handle_close()
            return b""

    def send(self, content: bytes, **_options: bool) -> int:
        """Send what the network takes, and tell how much.

        It is nothing when the client has disconnected; then the connection is closed.
        """
        try:
            return int(self.socket.send(content))
        except BlockingIOError:
            return 0
        except OSError:
            self.handle_close()
            return 0

    def received(self, data: bytes) -> bool:
        """Take what came, and note when a request began to arrive."""
        taken = bool(super().received(data))
        if self.request is None:
            self._receiving_since = None
        elif self._receiving_since is None:
            self._receiving_since = time.monotonic()
        return taken

    def refuse_slow_client(self) -> None:
        """End what takes too long: a request that does not come, a reply that is not read."""
        since = self._receiving_since
        if self.total_outbufs_len and time.monotonic() - self._active > STALLED_SECONDS:
            # The loop would wait for the socket to take more; this ends it, and drops what
            # the kernel still keeps for the client.
            with suppress(OSError):
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
                self.socket.shutdown(socket.SHUT_RDWR)
        elif self.requests or since is None:
            # Nothing is read while an earlier request is being answered.
            self._receiving_since = None if since is None else time.monotonic()
        elif time.monotonic() - since > RECEIVE_SECONDS:
            self._receiving_since = None
            late, self.request = self.request, None
            late.error = _RequestTimeout(f"it took longer than {RECEIVE_SECONDS:.0f} s to arrive")
            self.requests.append(late)
            self.server.add_task(self)

    # A socket that is closed while the client still sends is reset, and the client may never
    # see why it was refused (RFC 9112, section 9.6). So the sending side is closed first, and
    # what still comes is dropped until the client closes or the time is over.

    def handle_close(self) -> None:
        """Close, or stop sending when the client was refused."""
        if self.socket is None:
            return
        if self.refused and self.will_close and self._lingers_until is None:
            self._lingers_until = time.monotonic() + _LINGER_SECONDS
            with suppress(OSError):  # The client may be gone, as the next read will tell.
                self.socket.shutdown(socket.SHUT_WR)
        else:
            super().handle_close()

    def handle_read(self) -> None:
        """Take what came, or drop it after a refusal."""
        content = self.recv(self.adj.recv_bytes)
        if content and self._lingers_until is None:
            self._active = time.monotonic()
            self.received(content)

    def handle_write(self) -> None:
        """Send what waits, or close when the client had its time."""
        if self._lingers_until is None:
            super().handle_write()
        else:
            self.handle_close()

    def readable(self) -> bool:
        """Tell whether to wait for more to come."""
        return self._lingers_until is not None or bool(super().readable())

    def writable(self) -> bool:
        """Tell whether there is something to send, or to end."""
        if self._lingers_until is None:
            return bool(super().writable())
        return time.monotonic() >= self._lingers_until


class Listener(TcpWSGIServer):  # type: ignore[misc]  # Waitress has no types
    """One listening socket.

    Attributes:
        draining: Whether no more connections are taken.
        refuse: Answers what Waitress refuses by itself.
        may_accept: Tells whether it is this process's turn to take a connection.
        kept: The end of a head that says how long the connection stays open.
    """

    draining = False
    refuse: Callable[[dict[str, Any], Problem], Reply]
    may_accept: Callable[[], bool]
    kept: bytes
    _accepts = False
    _left = False
    _paused_until = 0.0
    next_channel_cleanup: float = 0.0

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - Waitress has no types
        """Take the socket; see `waitress.server.BaseWSGIServer`."""
        self._failures = Episode("no connection can be accepted", "connections are accepted again")
        self._overflow = Episode(
            "the limit of connections is reached: new ones wait",
            "connections are below their limit again: new ones are accepted",
        )
        super().__init__(*arguments, **options)

    def look_after(self) -> float:
        """Do what is due; called on every turn of the loop.

        Returns:
            How long the loop may wait before it calls again, in seconds.
        """
        now = time.monotonic()
        if now >= self.next_channel_cleanup:
            self.next_channel_cleanup = now + self.adj.cleanup_interval
            self.maintenance(now)
        if not self.accepting:
            return inf
        is_full = len(self._map) >= self.adj.connection_limit
        if is_full:
            self._overflow.happened(now)
        left, self._left = self._left, False
        wait = max(_LEFT_SECONDS if left else 0.0, self._paused_until - now)
        self._accepts = not is_full and wait <= 0
        self._map.ask(self._fileno)
        return wait if wait > 0 else inf

    def readable(self) -> bool:
        """Tell whether to wait for a connection."""
        return self._accepts

    def handle_accept(self) -> None:
        """Take what waits, as far as it is this process's to take, and leave the rest to others.

        It is decided when a connection waits, and by each process. Decided earlier, a connection
        might wait for a process that sleeps.
        """
        for _ in range(_ACCEPTED_AT_ONCE):
            self._left = not self.draining and not self.may_accept()
            if self._left or not self._take():
                break

    def _take(self) -> bool:
        """Take one connection; tell whether to look for another."""
        try:
            connection, address = self.socket.accept()
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno in _OF_ONE_CONNECTION:
                return True
            self._pause(error)
            return False
        self.adopt(connection, address)
        return True

    def _pause(self, error: OSError) -> None:
        """Accept nothing for a moment: the system has no room, such as too many open files."""
        now = time.monotonic()
        self._paused_until = now + _PAUSE_SECONDS
        self._failures.happened(now, error)

    def adopt(self, connection: socket.socket, address: Any) -> None:  # noqa: ANN401 - as `socket` has it
        """Look after a connection from now on, whichever way it came."""
        try:
            if connection.family == socket.AF_UNIX:
                address = _THIS_MACHINE
            else:
                with suppress(OSError):  # The client may be gone, as the next read will tell.
                    self.set_socket_options(connection)
            self.channel_class(self, connection, address, self.adj, map=self._map)
        except OSError as error:
            connection.close()
            self._pause(error)
        except Exception:  # noqa: BLE001 - logged; Waitress would close the listening socket
            _LOG.exception("a connection could not be taken")
            connection.close()

    def handle_error(self) -> None:
        """Go on after a defect: Waitress would close the listening socket, and serve nobody."""
        _LOG.exception("connections could not be accepted")
        self._paused_until = time.monotonic() + _PAUSE_SECONDS

    def stop_accepting(self) -> None:
        """Take what the kernel has already accepted, then close the socket."""
        self.draining = True
        waiting = select.poll()
        waiting.register(self.socket, select.POLLIN)
        until = time.monotonic() + _LINGER_SECONDS
        while waiting.poll(0) and self._paused_until <= time.monotonic() < until:
            self.handle_accept()
        wasyncore.dispatcher.close(self)

    def getsockname(self) -> Any:  # noqa: ANN401 - Waitress has no types
        """Give the address as it is; Waitress would ask the resolver for its name."""
        is_unix = self.family == socket.AF_UNIX
        return _THIS_MACHINE if is_unix else self.socket.getsockname()[:2]

    def maintenance(self, now: float) -> None:
        """Look after the connections; called about every second.

        Args:
            now: The time, by the monotonic clock.
        """
        super().maintenance(now)
        self._failures.look(now)
        self._overflow.look(now)
        for channel in list(self.active_channels.values()):
            channel.refuse_slow_client()
        self._map.ask_all()

    def close_idle_channels(self) -> None:
        """Close each connection on which no request is under way."""
        for channel in self.active_channels.values():
            busy = channel.requests or channel.request is not None or channel.total_outbufs_len
            if not busy:
                channel.will_close = True
        self._map.ask_all()
