"""The server: a loop over connections that stops only when every accepted request is answered."""

import resource
import socket
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from orders_http.api.application import Application
from orders_http.api.http_messages import KIB, Reply
from orders_http.api.problems import Problem
from orders_http.server.acceptor import Listener
from orders_http.server.connections import Connection
from orders_http.server.limits import Limits
from orders_http.server.listening_sockets import address_of
from orders_http.server.loop import Loop
from orders_http.server.scoreboard import Scoreboard, Slot
from orders_http.server.waitress_internals import Adjustments

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_IDLE_MARGIN_SECONDS: Final = 1
_DRAINING_TIMEOUT_SECONDS: Final = 0.1
_MAX_HEADER_BYTES: Final = 16 * KIB
# The application refuses bodies above 1 MiB politely. From this size on Waitress refuses them by
# closing the connection.
_MAX_BODY_BYTES: Final = 4 * KIB * KIB
# Longer than any reply: Waitress would put the rest of a long one into a file, and its loop would
# end where there is no room or no folder for it.
_MAX_BUFFERED_BYTES: Final = 1024 * KIB * KIB


class Server:
    """An application on listening sockets. Subclasses decide where requests are answered."""

    connection_class: type[Connection] = Connection

    def __init__(self, slot: Slot | None, limits: Limits) -> None:
        """Prepare the loop.

        Args:
            slot: The server's slot among those that accept from the same sockets; None if it is
                the only one.
            limits: The server's limits.
        """
        self._slot = slot or Scoreboard(1).slot(0)
        self._limits = limits
        self._loop = Loop()
        self._stopping = False
        self._callbacks: deque[Callable[[], None]] = deque()

    def _listen(
        self,
        application: "WSGIApplication",
        sockets: Sequence[socket.socket],
        task_dispatcher: Any,  # noqa: ANN401 - Waitress has no types
    ) -> None:
        """Listen; requests wait until `run`.

        Args:
            application: Answers the requests.
            sockets: The listening sockets; the server closes them.
            task_dispatcher: Is given each connection on which a request is complete.
        """
        limits = self._limits
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        settings = Adjustments(
            ident=None,
            connection_limit=min(limits.connections, files - limits.other_files),
            max_request_header_size=_MAX_HEADER_BYTES,
            max_request_body_size=_MAX_BODY_BYTES,
            outbuf_overflow=_MAX_BUFFERED_BYTES,
            cleanup_interval=1,
            # A request that is sent in the last moment of the announced time is still accepted.
            channel_timeout=limits.idle_seconds + _IDLE_MARGIN_SECONDS,
            clear_untrusted_proxy_headers=True,
        )
        # Head and body leave in one packet. As an argument it is deprecated.
        settings.send_bytes = 64 * KIB
        keep_alive = f"Connection: Keep-Alive\r\nKeep-Alive: timeout={limits.idle_seconds}\r\n\r\n"
        self._task_dispatcher = task_dispatcher
        self._listeners = [
            Listener(application, each, self._loop, task_dispatcher, settings) for each in sockets
        ]
        for listener in self._listeners:
            listener.channel_class = self.connection_class
            listener.keep_alive = keep_alive.encode()
            listener.limits = limits
            listener.may_accept = self._may_accept
            listener.refuse = (
                application.refuse if isinstance(application, Application) else _refuse
            )

    @property
    def address(self) -> str:
        """The first address that is listened on, as in a URL: `127.0.0.1:8000`."""
        return address_of(self._listeners[0].socket)

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return sum(len(listener.active_channels) for listener in self._listeners)

    def run(self) -> None:
        """Answer requests until `stop`, then finish those that were accepted."""
        while not self._stopping:
            self._run_once()
        began = monotonic()
        for listener in self._listeners:
            listener.stop_accepting()
        while self.connections and monotonic() < began + self._limits.drain_seconds:
            self._run_once(_DRAINING_TIMEOUT_SECONDS)
            if monotonic() > began + self._limits.drain_idle_seconds:
                for listener in self._listeners:
                    listener.close_idle_connections()
        self._task_dispatcher.shutdown(timeout=1)
        self._loop.close()

    def stop(self) -> None:
        """Let `run` finish. Callable from other threads and from signal handlers."""
        self._stopping = True
        self.wake()

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Call something in the loop's next pass. Callable from threads and signal handlers.

        A signal handler must not take a lock itself: its own thread may hold it.
        """
        self._callbacks.append(callback)
        self.wake()

    def wake(self) -> None:
        """Wake the loop for one pass. Callable from other threads and from signal handlers."""
        with suppress(OSError):  # The server may have ended.
            self._listeners[0].pull_trigger()

    def connect(self) -> socket.socket:
        """Connect to this server without a network. Callable from other threads.

        Neither a firewall nor a queue of connections to be accepted is in the way.

        Returns:
            The client's side, which the caller closes.
        """
        near, far = socket.socketpair()
        self.call_soon(partial(self._listeners[0].adopt, far, far.getpeername()))
        return near

    def _may_accept(self) -> bool:
        return self._slot.may_accept(self.connections)

    def _run_once(self, timeout: float = 1.0) -> None:
        while self._callbacks:
            self._callbacks.popleft()()
        timeouts = (listener.before_poll() for listener in self._listeners)
        self._loop.run_once(min(timeout, *timeouts))
        self._slot.heartbeat(self.connections)


def _refuse(_environ: dict[str, Any], problem: Problem) -> Reply:
    return Reply.of_problem(problem)
