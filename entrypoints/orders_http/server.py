"""The server: a loop over connections, which ends only when every accepted request is answered."""

import time
from typing import TYPE_CHECKING, Any, Final

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.task import ThreadedTaskDispatcher

from orders_http.app import Application
from orders_http.connections import Channel, Listener
from orders_http.messages import KIB, Reply
from orders_http.problems import Problem

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

DRAIN_SECONDS: Final = 25.0
"""How long a server that stops waits for the requests that it has accepted."""

_CONNECTIONS: Final = 1_000
_MAX_HEADER_BYTES: Final = 16 * KIB
# The application refuses bodies above 1 MiB itself, politely. Waitress refuses from this size
# on, by closing the connection.
_MAX_BODY_BYTES: Final = 4 * KIB * KIB


class Server:
    """An application on a listening address. How its requests are answered, subclasses say."""

    channel_class: type[Channel] = Channel

    def __init__(
        self,
        application: "WSGIApplication",
        host: str,
        port: int,
        answerer: Any,  # noqa: ANN401 - Waitress has no types
    ) -> None:
        """Listen; requests wait until `run`.

        Args:
            application: What answers.
            host: The name or address to listen on; every address that a name has.
            port: The port; 0 lets the system choose one.
            answerer: What Waitress calls a task dispatcher.

        Raises:
            OSError: The address cannot be listened on.
        """
        settings = Adjustments(
            listen=f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
            ident=None,
            connection_limit=_CONNECTIONS,
            max_request_header_size=_MAX_HEADER_BYTES,
            max_request_body_size=_MAX_BODY_BYTES,
            cleanup_interval=1,
            clear_untrusted_proxy_headers=True,
        )
        # Head and body leave in one packet. To give it as an argument is deprecated.
        settings.send_bytes = 64 * KIB
        self._map: dict[int, Any] = {}
        self._stopping = False
        self._answerer = answerer
        self._listeners = [
            Listener(application, self._map, dispatcher=answerer, adj=settings, sockinfo=address)
            for address in settings.listen
        ]
        for listener in self._listeners:
            listener.channel_class = self.channel_class
            listener.refuse = (
                application.refuse if isinstance(application, Application) else _refuse
            )

    @property
    def address(self) -> str:
        """The first address that is listened on, as in a URL: `127.0.0.1:8000`."""
        listener = self._listeners[0]
        host = str(listener.effective_host)
        return f"{f'[{host}]' if ':' in host else host}:{listener.effective_port}"

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
        deadline = time.monotonic() + DRAIN_SECONDS
        for listener in self._listeners:
            listener.stop_accepting()
        # What has come on a connection so far is read before the connection counts as idle.
        self._turn(0.0)
        while self._busy() and time.monotonic() < deadline:
            self._turn()
        self._answerer.shutdown(timeout=1)
        wasyncore.close_all(self._map)

    def stop(self) -> None:
        """Let `run` come to its end. Callable from other threads and from signal handlers."""
        self._stopping = True
        self.wake()

    def wake(self) -> None:
        """Let the loop turn once. Callable from other threads and from signal handlers."""
        self._listeners[0].pull_trigger()

    def _busy(self) -> bool:
        for listener in self._listeners:
            listener.close_idle_channels()
        return any(listener.active_channels for listener in self._listeners)

    def _turn(self, seconds: float = 1.0) -> None:
        wasyncore.loop(timeout=seconds, use_poll=True, map=self._map, count=1)


def _refuse(_environ: dict[str, Any], problem: Problem) -> Reply:
    return Reply.of_problem(problem)


class ThreadedServer(Server):
    """A server that hands each request to one of a few threads, as plain Waitress does."""

    def __init__(self, application: "WSGIApplication", host: str, port: int, threads: int) -> None:
        """Listen; requests wait until `run`.

        Args:
            application: What answers.
            host: The name or address to listen on; every address that a name has.
            port: The port; 0 lets the system choose one.
            threads: How many requests are answered at once.

        Raises:
            OSError: The address cannot be listened on.
        """
        dispatcher = ThreadedTaskDispatcher()
        super().__init__(application, host, port, dispatcher)
        dispatcher.set_thread_count(threads)
