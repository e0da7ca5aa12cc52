"""The server: a loop over connections, which ends only when every accepted request is answered."""

import resource
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from waitress.adjustments import Adjustments

from orders_http.api.application import Application
from orders_http.api.messages import KIB, Reply
from orders_http.api.problems import Problem
from orders_http.server.connections import Channel, Listener
from orders_http.server.listening import address_of
from orders_http.server.loop import Loop
from orders_http.server.roster import Place, Roster

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

DRAIN_SECONDS: Final = 25.0
"""How long a server that stops waits for the requests that it has accepted."""

IDLE_SECONDS: Final = 1.0
"""How long a server that stops still takes a request on a connection that is idle.

A client that sends one now is answered, and told to connect anew.
"""

KEPT_IDLE_SECONDS: Final = 120
"""How long a connection on which nothing happens stays open, unless told otherwise."""

_IDLE_MARGIN_SECONDS: Final = 1
_CONNECTIONS: Final = 10_000
# Of the files that a process may open: for databases, logs and what it listens on.
_OTHER_FILES: Final = 200

FILES: Final = _CONNECTIONS + _OTHER_FILES
"""How many files a process of the service opens at most."""

LEAST_FILES: Final = 64 + _OTHER_FILES
"""How many it must be able to open, to have some for clients."""

_DRAINING_TURN_SECONDS: Final = 0.1
_MAX_HEADER_BYTES: Final = 16 * KIB
# The application refuses bodies above 1 MiB itself, politely. Waitress refuses from this size
# on, by closing the connection.
_MAX_BODY_BYTES: Final = 4 * KIB * KIB
# Longer than any reply: Waitress would put the rest of a long one into a file, and its loop would
# end where there is no room or no folder for one.
_MAX_KEPT_BYTES: Final = 1024 * KIB * KIB


class Server:
    """An application on a listening address. How its requests are answered, subclasses say."""

    channel_class: type[Channel] = Channel

    def __init__(
        self,
        application: "WSGIApplication",
        sockets: Sequence[socket.socket],
        answerer: Any,  # noqa: ANN401 - Waitress has no types
        place: Place | None,
        loop: Loop,
    ) -> None:
        """Take the sockets; requests wait until `run`.

        Args:
            application: What answers.
            sockets: What is listened on; they are the server's to close.
            answerer: What Waitress calls a task dispatcher.
            place: The server's place among those that accept from the same sockets; None when
                it is alone.
            loop: Waits for the sockets.
        """
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        settings = Adjustments(
            ident=None,
            connection_limit=min(_CONNECTIONS, files - _OTHER_FILES),
            max_request_header_size=_MAX_HEADER_BYTES,
            max_request_body_size=_MAX_BODY_BYTES,
            outbuf_overflow=_MAX_KEPT_BYTES,
            cleanup_interval=1,
            clear_untrusted_proxy_headers=True,
        )
        # Head and body leave in one packet. To give it as an argument is deprecated.
        settings.send_bytes = 64 * KIB
        self._loop = loop
        self._stopping = False
        self._due: deque[Callable[[], None]] = deque()
        self._answerer = answerer
        self._place = place or Roster(1).place(0)
        self._listeners = [
            Listener(
                application,
                self._loop,
                _sock=each,
                dispatcher=answerer,
                adj=settings,
                sockinfo=(each.family, each.type, each.proto, each.getsockname()),
                bind_socket=False,
            )
            for each in sockets
        ]
        for listener in self._listeners:
            listener.channel_class = self.channel_class
            listener.refuse = (
                application.refuse if isinstance(application, Application) else _refuse
            )
            listener.may_accept = self._may_accept
        self._settings = settings
        self.keep_idle(KEPT_IDLE_SECONDS)

    def keep_idle(self, seconds: int) -> None:
        """Say how long a connection on which nothing happens stays open, as clients are told."""
        # A request that is sent in the last moment of what was told still finds it open.
        self._settings.channel_timeout = seconds + _IDLE_MARGIN_SECONDS
        told = f"Connection: Keep-Alive\r\nKeep-Alive: timeout={seconds}\r\n\r\n".encode()
        for listener in self._listeners:
            listener.kept = told

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
        """How many connections clients have."""
        return sum(len(listener.active_channels) for listener in self._listeners)

    def run(self) -> None:
        """Answer requests until `stop`, then finish those that were accepted."""
        while not self._stopping:
            self._turn()
        began = time.monotonic()
        for listener in self._listeners:
            listener.stop_accepting()
        while self.connections and time.monotonic() < began + DRAIN_SECONDS:
            self._turn(_DRAINING_TURN_SECONDS)
            if time.monotonic() > began + IDLE_SECONDS:
                for listener in self._listeners:
                    listener.close_idle_channels()
        self._answerer.shutdown(timeout=1)
        self._loop.close()

    def stop(self) -> None:
        """Let `run` come to its end. Callable from other threads and from signal handlers."""
        self._stopping = True
        self.wake()

    def soon(self, do: Callable[[], None]) -> None:
        """Let the loop do something at its next turn. Callable from signal handlers.

        What takes a lock must not be done by a handler: its own thread may hold that lock.
        """
        self._due.append(do)
        self.wake()

    def wake(self) -> None:
        """Let the loop turn once. Callable from other threads and from signal handlers."""
        with suppress(OSError):  # It may have ended meanwhile.
            self._listeners[0].pull_trigger()

    def connect(self) -> socket.socket:
        """Connect to this server without a network. Callable from other threads.

        No firewall is in the way, nor the clients that wait to be accepted.

        Returns:
            The client's side, which the caller closes.
        """
        near, far = socket.socketpair()
        self.soon(partial(self._listeners[0].adopt, far, far.getpeername()))
        return near

    def _may_accept(self) -> bool:
        return self._place.may_accept(self.connections)

    def _turn(self, seconds: float = 1.0) -> None:
        while self._due:
            self._due.popleft()()
        self._loop.turn(min(seconds, *(listener.look_after() for listener in self._listeners)))
        self._place.turned(self.connections)


def _refuse(_environ: dict[str, Any], problem: Problem) -> Reply:
    return Reply.of_problem(problem)
