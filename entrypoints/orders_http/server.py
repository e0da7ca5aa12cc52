"""The server: Waitress with the gaps closed that its release 3.0.2 leaves open.

Refused here, before any application sees them, are requests that two readers could take apart
differently (RFC 9112, sections 3.2, 6.1 and 11.2).
"""

import re
import select
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, ThreadedTaskDispatcher, WSGITask

from orders_http.chunks import ChunkedBody
from orders_http.messages import KIB, Reply
from orders_http.problems import Problem, ProblemType

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

DRAIN_SECONDS: Final = 25.0
"""How long a server that stops waits for the requests that it has accepted."""

_LINGER_SECONDS: Final = 2.0
_CONNECTIONS: Final = 1_000
_MAX_HEADER_BYTES: Final = 16 * KIB
# The application refuses bodies above 1 MiB itself, politely. Waitress refuses from this size
# on, by closing the connection.
_MAX_BODY_BYTES: Final = 4 * KIB * KIB
_ONCE: Final = frozenset({b"host", b"content-length", b"content-type", b"transfer-encoding"})
_WORDS: Final = 3
_VERSIONS: Final = frozenset({b"HTTP/1.0", b"HTTP/1.1"})
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")
# Waitress would drop a tab from the target and serve another path.
_UNPRINTABLE: Final = re.compile(rb"[^\x20-\x7e]")
_PROBLEMS: Final = {
    413: ProblemType.BODY_TOO_LARGE,
    431: ProblemType.HEADERS_TOO_LARGE,
    500: ProblemType.INTERNAL_ERROR,
}


def _strictly(header_plus: bytes) -> None:
    """Refuse a request head that is ambiguous.

    Raises:
        ParsingError: Saying what is wrong.
    """
    request_line, *lines = header_plus.rstrip(b"\r\n").split(b"\r\n")
    words = request_line.split(b" ")
    if len(words) != _WORDS or words[-1] not in _VERSIONS:
        message = "the request line is not a method, a target and HTTP/1.1 or HTTP/1.0"
        raise ParsingError(message)
    if _UNPRINTABLE.search(request_line):
        message = "the request line holds a byte that is no printable ASCII"
        raise ParsingError(message)
    fields: dict[bytes, bytes] = {}
    for line in lines:
        if line[:1] in {b" ", b"\t"}:
            message = "a header goes on in a second line"
            raise ParsingError(message)
        name, _, value = line.partition(b":")
        name = name.lower()
        if name in _ONCE and name in fields:
            message = f"there are two {name.decode()} headers"
            raise ParsingError(message)
        fields[name] = value.strip(b" \t")
    if b"host" not in fields and request_line.endswith(b"HTTP/1.1"):
        message = "there is no Host header"
        raise ParsingError(message)
    if b"transfer-encoding" in fields:
        _check_transfer_encoding(request_line, fields)
    if not _LENGTH.fullmatch(fields.get(b"content-length", b"0")):
        message = "Content-Length is no number of bytes"
        raise ParsingError(message)


def _check_transfer_encoding(request_line: bytes, fields: dict[bytes, bytes]) -> None:
    if b"content-length" in fields:
        message = "there are both Content-Length and Transfer-Encoding"
        raise ParsingError(message)
    if fields[b"transfer-encoding"].lower() != b"chunked" or request_line.endswith(b"HTTP/1.0"):
        message = "the only Transfer-Encoding is chunked, in HTTP/1.1"
        raise ParsingError(message)


class _Parser(HTTPRequestParser):  # type: ignore[misc]  # Waitress has no types
    """Waitress's parser behind a stricter one."""

    body_rcv: Any

    def received(self, data: bytes) -> int:
        consumed = int(super().received(data))
        if self.completed:
            # Waitress would ask for a body that does not come, or that is refused already.
            self.expect_continue = False
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        # Waitress calls it with this line alone to answer a head that is too large.
        if header_plus != b"GET / HTTP/1.0\r\n":
            _strictly(header_plus)
        try:
            super().parse_header(header_plus)
        except ValueError as error:
            message = "the request target cannot be read"
            raise ParsingError(message) from error
        if self.chunked:
            self.body_rcv = ChunkedBody(self.body_rcv.getbuf())
        if self.proxy_netloc:
            # A whole URL as the target names the host; Host then counts for nothing
            # (RFC 9112, section 3.2.2).
            self.headers["HOST"] = self.proxy_netloc


class _ProblemTask(ErrorTask):  # type: ignore[misc]  # Waitress has no types
    """Answers what Waitress refuses by itself with problem details."""

    def execute(self) -> None:
        error = self.request.error
        problem_type = _PROBLEMS.get(error.code, ProblemType.MALFORMED_REQUEST)
        detail = (
            problem_type.title if problem_type is ProblemType.INTERNAL_ERROR else str(error.body)
        )
        reply = Reply.of_problem(Problem(problem_type, detail))
        self.status = f"{reply.status.value} {reply.status.phrase}"
        self.response_headers.extend(reply.header_list())
        self.set_close_on_finish()
        self.channel.refused = True
        self.content_length = len(reply.body)
        # A head that could not be read has no command.
        head = getattr(self.request, "command", "") == "HEAD"
        self.write(b"" if head else reply.body)


class _Task(WSGITask):  # type: ignore[misc]  # Waitress has no types
    """Answers through the application; says goodbye when the server is stopping."""

    def build_response_header(self) -> bytes:
        if self.channel.server.draining:
            self.set_close_on_finish()
        return bytes(super().build_response_header())


class _Channel(HTTPChannel):  # type: ignore[misc]  # Waitress has no types
    parser_class = _Parser
    task_class = _Task
    error_task_class = _ProblemTask
    refused = False
    _lingers_until: float | None = None

    # A socket that is closed while the client still sends is reset, and the client may never
    # see why it was refused (RFC 9112, section 9.6). So the sending side is closed first, and
    # what still comes is dropped until the client closes or the time is over.

    def handle_close(self) -> None:
        if self.refused and self.will_close and self._lingers_until is None:
            self._lingers_until = time.monotonic() + _LINGER_SECONDS
            with suppress(OSError):  # The client may be gone, as the next read will tell.
                self.socket.shutdown(socket.SHUT_WR)
        else:
            super().handle_close()

    def handle_read(self) -> None:
        if self._lingers_until is None:
            super().handle_read()
        else:
            self.recv(64 * KIB)

    def handle_write(self) -> None:
        if self._lingers_until is None:
            super().handle_write()
        else:
            self.handle_close()

    def readable(self) -> bool:
        return self._lingers_until is not None or bool(super().readable())

    def writable(self) -> bool:
        if self._lingers_until is None:
            return bool(super().writable())
        return time.monotonic() >= self._lingers_until


class _Listener(TcpWSGIServer):  # type: ignore[misc]  # Waitress has no types
    """One listening socket."""

    channel_class = _Channel
    draining = False

    def stop_accepting(self) -> None:
        """Take what the kernel has already accepted, then close the socket."""
        self.draining = True
        waiting = select.poll()
        waiting.register(self.socket, select.POLLIN)
        while waiting.poll(0):
            self.handle_accept()
        wasyncore.dispatcher.close(self)

    def close_idle_channels(self) -> None:
        """Close each connection on which no request is under way."""
        for channel in self.active_channels.values():
            busy = channel.requests or channel.request is not None or channel.total_outbufs_len
            if not busy:
                channel.will_close = True


class Server:
    """An application on a listening address, with threads that answer its requests."""

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
        settings = Adjustments(
            listen=f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
            threads=threads,
            ident=None,
            connection_limit=_CONNECTIONS,
            max_request_header_size=_MAX_HEADER_BYTES,
            max_request_body_size=_MAX_BODY_BYTES,
            clear_untrusted_proxy_headers=True,
        )
        # Head and body leave in one packet. To give it as an argument is deprecated.
        settings.send_bytes = 64 * KIB
        self._map: dict[int, Any] = {}
        self._stopping = False
        self._dispatcher = ThreadedTaskDispatcher()
        self._listeners = [
            _Listener(
                application,
                self._map,
                dispatcher=self._dispatcher,
                adj=settings,
                sockinfo=address,
            )
            for address in settings.listen
        ]
        self._dispatcher.set_thread_count(threads)

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
        self._dispatcher.shutdown(timeout=1)
        wasyncore.close_all(self._map)

    def stop(self) -> None:
        """Let `run` come to its end. Callable from other threads and from signal handlers."""
        self._stopping = True
        for listener in self._listeners:
            listener.pull_trigger()

    def _busy(self) -> bool:
        for listener in self._listeners:
            listener.close_idle_channels()
        return any(listener.active_channels for listener in self._listeners)

    def _turn(self, seconds: float = 1.0) -> None:
        wasyncore.loop(timeout=seconds, use_poll=True, map=self._map, count=1)
