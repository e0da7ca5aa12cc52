"""A server that answers on threads, as plain WSGI servers do, to compare with ours."""

import re
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from waitress.task import ThreadedTaskDispatcher, WSGITask

from orders_http.server.connections import Connection
from orders_http.server.limits import DEFAULT_LIMITS, Limits
from orders_http.server.response_head import CLOSED
from orders_http.server.scoreboard import Slot
from orders_http.server.server import Server

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


# Waitress writes it among the other headers; ours ends the head, with the keep-alive time.
_CONNECTION: Final = re.compile(rb"(?<=\n)Connection: [^\r]*\r\n")


class Task(WSGITask):  # type: ignore[misc]  # Waitress has no types
    """Calls the application; closes the connection if the server is stopping."""

    def build_response_header(self) -> bytes:
        """Write the head; it asks the client to close if the server is stopping."""
        if self.channel.server.draining:
            self.set_close_on_finish()
        head = _CONNECTION.sub(b"", bytes(super().build_response_header()))
        keep_alive: bytes = self.channel.server.keep_alive
        return head.removesuffix(b"\r\n") + (CLOSED if self.close_on_finish else keep_alive)

    def set_close_on_finish(self) -> None:
        """Close after the answer, unless only Waitress would.

        Waitress closes after every answer without a length; 204 and 304 need none.
        """
        asked = self.request.headers.get("CONNECTION", "").lower() == "close"
        old = self.version == "1.0"
        if self.has_body or asked or old or self.channel.server.draining:
            super().set_close_on_finish()


class ThreadedConnection(Connection):
    """A connection whose requests a thread answers, one after another."""

    task_class = Task


class ThreadedServer(Server):
    """A server that gives each request to a thread of a pool, as plain Waitress does."""

    connection_class = ThreadedConnection

    def __init__(
        self,
        application: "WSGIApplication",
        sockets: Sequence[socket.socket],
        threads: int,
        slot: Slot | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        """Listen; requests wait until `run`.

        Args:
            application: Answers the requests.
            sockets: The listening sockets; the server closes them.
            threads: How many requests are answered at once.
            slot: The server's slot among those that accept from the same sockets; None if it is
                the only one.
            limits: The server's limits.
        """
        super().__init__(slot, limits)
        dispatcher = ThreadedTaskDispatcher()
        self._listen(application, sockets, dispatcher)
        dispatcher.set_thread_count(threads)

    def _run_once(self, timeout: float = 1.0) -> None:
        # The interests of its connections change on other threads.
        self._loop.update_all_interests()
        super()._run_once(timeout)
