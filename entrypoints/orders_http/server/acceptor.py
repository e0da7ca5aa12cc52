"""A listening socket: accepts connections while it is this worker's turn and there is room."""

import errno
import logging
import select
import socket
from collections.abc import Callable
from contextlib import suppress
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from orders_http.api.http_messages import Reply
from orders_http.api.problems import Problem
from orders_http.server.connections import LINGER_SECONDS
from orders_http.server.incidents import Incident
from orders_http.server.limits import Limits
from orders_http.server.loop import Loop
from orders_http.server.waitress_internals import Adjustments, TcpWSGIServer, dispatcher

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_LOG: Final = logging.getLogger(__name__)

# How long a connection is left to the other workers before this one looks again.
_LEFT_SECONDS: Final = 0.01
_ACCEPTED_AT_ONCE: Final = 64
# The address and the port of every client of a Unix socket, which has neither.
_THIS_MACHINE: Final = ("unix", 0)
# How long to stop accepting when the system has no room for another connection.
_PAUSE_SECONDS: Final = 0.1
# Errors of the connection that was to be accepted, which is gone; accept(2) lists them.
_OF_ONE_CONNECTION: Final = frozenset(
    {
        *(errno.ECONNABORTED, errno.EPROTO, errno.ENETDOWN, errno.ENOPROTOOPT, errno.EHOSTDOWN),
        *(errno.ENONET, errno.EHOSTUNREACH, errno.EOPNOTSUPP, errno.ENETUNREACH),
    },
)


class Listener(TcpWSGIServer):
    """One listening socket.

    Attributes:
        draining: Whether no more connections are accepted.
        keep_alive: The end of a reply's head, which says how long the connection stays open.
        limits: The server's limits.
        may_accept: Returns whether it is this worker's turn to accept a connection.
        refuse: Answers a request that Waitress or the parser refused.
    """

    draining = False
    keep_alive: bytes
    limits: Limits
    may_accept: Callable[[], bool]
    refuse: Callable[[dict[str, Any], Problem], Reply]
    next_channel_cleanup: float = 0.0
    _accepts = False
    _left = False
    _paused_until = 0.0

    def __init__(
        self,
        application: "WSGIApplication",
        sock: socket.socket,
        loop: Loop,
        task_dispatcher: Any,  # noqa: ANN401 - Waitress has no types
        settings: Adjustments,
    ) -> None:
        """Begin to listen.

        Args:
            application: Answers requests, if the task dispatcher lets Waitress answer them.
            sock: The socket; the listener closes it.
            loop: Waits for the socket and its connections.
            task_dispatcher: Is given each connection on which a request is complete.
            settings: Waitress's settings.
        """
        self._failures = Incident("no connection can be accepted", "connections are accepted again")
        self._overflow = Incident(
            "the connection limit is reached: new connections wait",
            "connections are below the limit again: new connections are accepted",
        )
        super().__init__(
            application,
            loop,
            _sock=sock,
            dispatcher=task_dispatcher,
            adj=settings,
            sockinfo=(sock.family, sock.type, sock.proto, sock.getsockname()),
            bind_socket=False,
        )

    def before_poll(self) -> float:
        """Do what is due; the loop calls it before it waits.

        Returns:
            How long the loop may wait, in seconds.
        """
        now = monotonic()
        if now >= self.next_channel_cleanup:
            self.next_channel_cleanup = now + self.adj.cleanup_interval
            self.maintenance(now)
        if not self.accepting:
            return inf
        is_full = len(self._map) >= self.adj.connection_limit
        if is_full:
            self._overflow.occurred(now)
        left, self._left = self._left, False
        wait = max(_LEFT_SECONDS if left else 0.0, self._paused_until - now)
        self._accepts = not is_full and wait <= 0
        self._map.update_interest(self._fileno)
        return wait if wait > 0 else inf

    def readable(self) -> bool:
        """Return whether to wait for a connection."""
        return self._accepts

    def handle_accept(self) -> None:
        """Accept what waits, while it is this worker's turn; leave the rest to the others.

        Each worker decides when a connection waits. If it decided earlier, a connection might
        wait for a worker that sleeps.
        """
        for _ in range(_ACCEPTED_AT_ONCE):
            self._left = not self.draining and not self.may_accept()
            if self._left or not self._accept_one():
                break

    def _accept_one(self) -> bool:
        """Accept one connection; return whether to try another."""
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
        now = monotonic()
        self._paused_until = now + _PAUSE_SECONDS
        self._failures.occurred(now, error)

    def adopt(self, connection: socket.socket, address: Any) -> None:  # noqa: ANN401 - as `socket` has it
        """Serve a connection, however it was made."""
        try:
            if connection.family == socket.AF_UNIX:
                address = _THIS_MACHINE
            else:
                with suppress(OSError):  # The client may be gone, as the next read will show.
                    self.set_socket_options(connection)
            self.channel_class(self, connection, address, self.adj, map=self._map)
        except OSError as error:
            connection.close()
            self._pause(error)
        except Exception:  # noqa: BLE001 - logged; Waitress would close the listening socket
            _LOG.exception("a connection could not be set up")
            connection.close()

    def handle_error(self) -> None:
        """Continue after a defect: Waitress would close the listening socket."""
        _LOG.exception("connections could not be accepted")
        self._paused_until = monotonic() + _PAUSE_SECONDS

    def stop_accepting(self) -> None:
        """Accept the connections that the kernel has queued, then close the socket."""
        self.draining = True
        queued = select.poll()
        queued.register(self.socket, select.POLLIN)
        until = monotonic() + LINGER_SECONDS
        while queued.poll(0) and self._paused_until <= monotonic() < until:
            self.handle_accept()
        dispatcher.close(self)

    def getsockname(self) -> Any:  # noqa: ANN401 - as `socket` has it
        """Return the address without a look-up of its name, which Waitress would do."""
        is_unix = self.family == socket.AF_UNIX
        return _THIS_MACHINE if is_unix else self.socket.getsockname()[:2]

    def maintenance(self, now: float) -> None:
        """Enforce the time limits of the connections; called about every second.

        Args:
            now: The time, by the monotonic clock.
        """
        super().maintenance(now)
        self._failures.check(now)
        self._overflow.check(now)
        for connection in list(self.active_channels.values()):
            connection.refuse_slow_client(now, self.limits)
        self._map.update_all_interests()

    def close_idle_connections(self) -> None:
        """Close each connection without a request."""
        for channel in self.active_channels.values():
            busy = channel.requests or channel.request is not None or channel.total_outbufs_len
            if not busy:
                channel.will_close = True
        self._map.update_all_interests()
