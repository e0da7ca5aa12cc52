"""Client connections: Waitress's, made robust against slow, refused and disconnected clients."""

import logging
import socket
import struct
from contextlib import suppress
from time import monotonic
from typing import Any, Final

from orders_http.api.http_messages import Reply
from orders_http.api.problems import Problem, ProblemType
from orders_http.server.limits import Limits
from orders_http.server.parsing import Parser
from orders_http.server.response_head import CLOSED, head_of
from orders_http.server.waitress_internals import Error, ErrorTask, HTTPChannel

_LOG: Final = logging.getLogger(__name__)

LINGER_SECONDS: Final = 2.0
"""How long a refused client may take to read why, before the connection is closed."""

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
# Here Waitress's own words would name its settings.
_DETAILS: Final = {
    ProblemType.BODY_TOO_LARGE: "no request may have a body this large",
    ProblemType.HEADERS_TOO_LARGE: "the request line and the headers are longer than 16 KiB",
    ProblemType.INTERNAL_ERROR: ProblemType.INTERNAL_ERROR.title,
}
_PROBLEMS: Final = {
    408: ProblemType.REQUEST_TIMEOUT,
    413: ProblemType.BODY_TOO_LARGE,
    431: ProblemType.HEADERS_TOO_LARGE,
    500: ProblemType.INTERNAL_ERROR,
}
_UNPREFIXED: Final = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})


class _RequestTimeout(Error):
    code = 408


class _ProblemTask(ErrorTask):
    """Answers what Waitress or the parser refuses, with problem details."""

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
        """Return what is known of the request, as WSGI names it."""
        return {
            "REQUEST_METHOD": getattr(self.request, "command", ""),
            "REMOTE_ADDR": self.channel.addr[0],
            **{f"HTTP_{name}": value for name, value in self.request.headers.items()},
        }


class Connection(HTTPChannel):
    """A client's connection: refuses politely, and sets every client a time limit."""

    parser_class = Parser
    error_task_class = _ProblemTask
    refused = False
    _active = 0.0
    _lingers_until: float | None = None
    _receiving_since: float | None = None

    @property
    def last_activity(self) -> float:
        """When data was last received or sent, by the monotonic clock."""
        return self._active

    @last_activity.setter
    def last_activity(self, _wall_time: float) -> None:
        # Waitress would note the time of the wall clock, which may be set forward or back.
        self._active = monotonic()

    # A client may disconnect at any time, for many reasons; none is an error of the server.

    def recv(self, size: int) -> bytes:
        """Receive what has arrived; return nothing, and close, if the client has disconnected."""
        try:
            return bytes(super().recv(size))
        except BlockingIOError:
            return b""
        except OSError:
            self.handle_close()
            return b""

    def send(self, content: bytes, **_options: bool) -> int:
        """Send as much as the kernel accepts, and return how many bytes that was.

        Returns 0, and closes the connection, if the client has disconnected.
        """
        try:
            return int(self.socket.send(content))
        except BlockingIOError:
            return 0
        except OSError:
            self.handle_close()
            return 0

    def received(self, data: bytes) -> bool:
        """Parse what was received, and note when a request began to arrive."""
        accepted = bool(super().received(data))
        if self.request is None:
            self._receiving_since = None
        elif self._receiving_since is None:
            self._receiving_since = monotonic()
        return accepted

    def refuse_slow_client(self, now: float, limits: Limits) -> None:
        """End a connection whose request does not arrive, or whose reply is not read."""
        since = self._receiving_since
        if self.total_outbufs_len and now - self._active > limits.stalled_seconds:
            # Ends the wait for the socket to become writable, and drops what the kernel still
            # keeps for the client.
            with suppress(OSError):
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                self.socket.shutdown(socket.SHUT_RDWR)
        elif self.requests or since is None:
            # Nothing is read while an earlier request is being answered.
            self._receiving_since = None if since is None else now
        elif now - since > limits.receive_seconds:
            self._receiving_since = None
            late, self.request = self.request, None
            seconds = limits.receive_seconds
            late.error = _RequestTimeout(f"it took longer than {seconds:.0f} s to arrive")
            self.requests.append(late)
            self.server.add_task(self)

    # If a socket is closed while the client still sends, the connection is reset, and the client
    # may never see why it was refused (RFC 9112, section 9.6). So the sending side is closed
    # first, and what still arrives is dropped until the client closes or `LINGER_SECONDS` pass.

    def handle_close(self) -> None:
        """Close; if the client was refused, only stop sending at first."""
        if self.socket is None:
            return
        if self.refused and self.will_close and self._lingers_until is None:
            self._lingers_until = monotonic() + LINGER_SECONDS
            with suppress(OSError):  # The client may be gone, as the next read will show.
                self.socket.shutdown(socket.SHUT_WR)
        else:
            super().handle_close()

    def handle_read(self) -> None:
        """Receive data; drop it after a refusal."""
        content = self.recv(self.adj.recv_bytes)
        if content and self._lingers_until is None:
            self._active = monotonic()
            self.received(content)

    def handle_write(self) -> None:
        """Send what waits, or close when a refused client has had its time."""
        if self._lingers_until is None:
            super().handle_write()
        else:
            self.handle_close()

    def readable(self) -> bool:
        """Return whether to wait for more to arrive."""
        return self._lingers_until is not None or bool(super().readable())

    def writable(self) -> bool:
        """Return whether to wait until more can be sent, or to close."""
        if self._lingers_until is None:
            return bool(super().writable())
        return monotonic() >= self._lingers_until


class LoopConnection(Connection):
    """A connection whose requests the server's loop answers, one after the other."""

    _next_waits = False

    def open_request(self) -> dict[str, Any] | None:
        """Return the WSGI environment of the first waiting request, as an `Application` reads it.

        None if there is nothing to answer: the client is gone, or the request was refused.
        """
        if not self.connected:
            self._drop_requests()
            return None
        request = self.requests[0]
        if request.error:
            self.service()
            self._continue()
            return None
        path = request.path
        environ = {
            "REQUEST_METHOD": request.command,
            "SCRIPT_NAME": "",
            # As Waitress does: several leading slashes are one.
            "PATH_INFO": "/" + path.lstrip("/") if path[:1] == "/" else path,
            "QUERY_STRING": request.query,
            "REMOTE_ADDR": self.addr[0],
            "wsgi.input": request.get_body_stream(),
            "wsgi.input_terminated": True,
        }
        for name, value in request.headers.items():
            environ[name if name in _UNPREFIXED else f"HTTP_{name}"] = value
        return environ

    def answer(self, reply: Reply) -> None:
        """Reply to the first waiting request; a failure ends this connection and no other."""
        try:
            self._answer(reply)
        except Exception:  # noqa: BLE001 - logged, and the connection closed
            _LOG.exception("a reply could not be sent")
            self.handle_close()

    def _answer(self, reply: Reply) -> None:
        """Send as much of the reply as the kernel accepts."""
        request = self.requests[0]
        asked = request.headers.get("CONNECTION", "").lower()
        closes = asked == "close" or self.server.draining
        if request.version == "1.0":
            closes = closes or asked != "keep-alive" or reply.content_type is None
        head = head_of(reply, request.version, CLOSED if closes else self.server.keep_alive)
        # In one piece: one system call, and one packet.
        self._send(head if request.command == "HEAD" else head + reply.body)
        self._end_request(request, closes=closes)
        self._continue()

    def _send(self, content: bytes) -> None:
        # The buffer is nearly always empty: a request begins once the reply before it is sent.
        sent = 0 if self.total_outbufs_len else self.send(content)
        self._active = monotonic()
        if self.connected and sent < len(content):
            self.write_soon(content[sent:])

    def _end_request(self, request: Any, *, closes: bool) -> None:  # noqa: ANN401 - a parser
        """Do what Waitress's `service` does after an answer."""
        if closes or not self.connected:
            self.close_when_flushed = True
            self._drop_requests()
            return
        request.close()
        self.requests.pop(0)
        self._next_waits = bool(self.requests)
        if self._next_waits:
            return
        if self.request is not None and self.request.expect_continue and not self.sent_continue:
            # It could not be sent before the answer.
            self.send_continue()

    def _drop_requests(self) -> None:
        """Drop all requests: the client is gone, or this was the connection's last reply."""
        for each in self.requests:
            each.close()
        self.requests = []

    def handle_write(self) -> None:
        """Send what waits, or close, or begin the next request."""
        # Waitress would leave small amounts to its worker thread; there is none here.
        if self.connected and self.total_outbufs_len:
            self._flush_exception(self._flush_some)
        if self.connected:
            super().handle_write()
        self._begin_next()

    def _begin_next(self) -> None:
        """Begin the next request, if the client has received the reply before it.

        Otherwise a client that sends many requests and reads nothing would fill the memory.
        """
        if self._next_waits and self.connected and not self.total_outbufs_len:
            self._next_waits = False
            self.server.add_task(self)

    def _continue(self) -> None:
        """Send what is left, begin the next request, and tell the loop what to wait for."""
        if self.connected and self.total_outbufs_len:
            self._flush_exception(self._flush_some)
        self._begin_next()
        if self._fileno is not None:
            self._map.update_interest(self._fileno)
