"""The application answered by threads, as plain WSGI servers do it: what both say must agree."""

import re
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from waitress.task import ThreadedTaskDispatcher, WSGITask

from orders_http.server.connections import Channel
from orders_http.server.loop import Loop
from orders_http.server.response_head import CLOSED
from orders_http.server.roster import Place
from orders_http.server.server import Server

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


# Waitress writes it among the others; here it ends the head, with how long the connection is kept.
_CONNECTION: Final = re.compile(rb"(?<=\n)Connection: [^\r]*\r\n")


class Task(WSGITask):  # type: ignore[misc]  # Waitress has no types
    """Answers through the application; says goodbye when the server is stopping."""

    def build_response_header(self) -> bytes:
        """Write the head, which tells a client not to come back to a server that stops."""
        if self.channel.server.draining:
            self.set_close_on_finish()
        head = _CONNECTION.sub(b"", bytes(super().build_response_header()))
        kept: bytes = self.channel.server.kept
        return head.removesuffix(b"\r\n") + (CLOSED if self.close_on_finish else kept)

    def set_close_on_finish(self) -> None:
        """Close after the answer, unless only Waitress wants to.

        It closes after every answer without a length; 204 and 304 need none.
        """
        asked = self.request.headers.get("CONNECTION", "").lower() == "close"
        old = self.version == "1.0"
        if self.has_body or asked or old or self.channel.server.draining:
            super().set_close_on_finish()


class ThreadedChannel(Channel):
    """A connection whose requests a thread answers, one after the other."""

    task_class = Task


class ThreadedServer(Server):
    """A server that hands each request to one of a few threads, as plain Waitress does."""

    channel_class = ThreadedChannel

    def __init__(
        self,
        application: "WSGIApplication",
        sockets: Sequence[socket.socket],
        threads: int,
        place: Place | None = None,
    ) -> None:
        """Take the sockets; requests wait until `run`.

        Args:
            application: What answers.
            sockets: What is listened on; they are the server's to close.
            threads: How many requests are answered at once.
            place: The server's place among those that accept from the same sockets; None when
                it is alone.
        """
        dispatcher = ThreadedTaskDispatcher()
        super().__init__(application, sockets, dispatcher, place, Loop())
        dispatcher.set_thread_count(threads)

    def _turn(self, seconds: float = 1.0) -> None:
        # What its connections wait for changes on other threads.
        self._loop.ask_all()
        super()._turn(seconds)
