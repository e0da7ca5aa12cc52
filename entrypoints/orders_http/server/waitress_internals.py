"""Everything of Waitress that the server uses, private names included.

Waitress promises nothing about its private names and has no types. So each name is declared here,
and mypy refuses a name that is not. A test fails for a release that is not in `VERIFIED_VERSIONS`
or that lacks one of the names. To add a release: read its changes to the classes below, run the
tests of `tests/http`, then extend the set and the range in setup.py.
"""

# Declarations and exports of Waitress's names need no docstrings and no types of our own.
# ruff: noqa: A002, ANN401, D101, D102, D103, D107, F401, TC002, TC003
# mypy: disable-error-code="empty-body"
from collections.abc import Mapping
from socket import socket
from typing import TYPE_CHECKING, Any, Final

VERIFIED_VERSIONS: Final = frozenset({"3.0.2"})

if TYPE_CHECKING:

    class Adjustments:
        channel_timeout: int
        cleanup_interval: int
        connection_limit: int
        max_request_body_size: int
        max_request_header_size: int
        recv_bytes: int
        send_bytes: int
        url_scheme: str

        def __init__(self, **settings: object) -> None: ...

    class Error:
        code: int
        body: str

        def __init__(self, body: str) -> None: ...

    class BadRequest(Error): ...

    class ParsingError(Exception): ...

    class HTTPRequestParser:
        adj: Adjustments
        body_rcv: Any
        chunked: bool
        command: str
        completed: bool
        connection_close: bool
        content_length: int
        empty: bool
        error: Error | None
        expect_continue: bool
        header_plus: bytes
        headers: dict[str, str]
        headers_finished: bool
        path: str
        proxy_netloc: str
        query: str
        request_uri: str
        url_scheme: str
        version: str

        def __init__(self, adj: Adjustments) -> None: ...
        def close(self) -> None: ...
        def get_body_stream(self) -> Any: ...
        def parse_header(self, header_plus: bytes) -> None: ...
        def received(self, data: bytes) -> int: ...

    class dispatcher:  # noqa: N801
        _fileno: int | None
        _map: Any
        accepting: bool
        connected: bool
        socket: Any  # None once it is closed

        def close(self) -> None: ...
        def handle_close(self) -> None: ...
        def readable(self) -> bool: ...
        def recv(self, buffer_size: int) -> bytes: ...
        def writable(self) -> bool: ...

    class HTTPChannel(dispatcher):
        addr: tuple[str, int]
        adj: Adjustments
        close_when_flushed: bool
        request: Any
        requests: list[Any]
        sent_continue: bool
        server: Any
        total_outbufs_len: int
        will_close: bool

        def __init__(
            self, server: Any, sock: socket, addr: Any, adj: Adjustments, map: Any
        ) -> None: ...
        def _flush_exception(self, flush: Any) -> object: ...
        def _flush_some(self) -> bool: ...
        def handle_write(self) -> None: ...
        def received(self, data: bytes) -> bool: ...
        def send_continue(self) -> None: ...
        def service(self) -> None: ...
        def write_soon(self, data: bytes) -> int: ...

    class TcpWSGIServer(dispatcher):
        active_channels: Mapping[int, Any]
        adj: Adjustments
        channel_class: Any
        family: int
        next_channel_cleanup: float

        def __init__(self, application: Any, map: Any, **options: Any) -> None: ...
        def add_task(self, task: Any) -> None: ...
        def maintenance(self, now: float) -> None: ...
        def pull_trigger(self) -> None: ...
        def set_socket_options(self, conn: socket) -> None: ...

    class ErrorTask:
        channel: Any
        content_length: int
        request: Any
        response_headers: list[tuple[str, str]]
        status: str

        def set_close_on_finish(self) -> None: ...
        def write(self, data: bytes) -> None: ...

    def close_all(map: Any) -> None: ...
    def readwrite(obj: Any, flags: int) -> None: ...

else:
    from waitress.adjustments import Adjustments
    from waitress.channel import HTTPChannel
    from waitress.parser import HTTPRequestParser, ParsingError
    from waitress.server import TcpWSGIServer
    from waitress.task import ErrorTask
    from waitress.utilities import BadRequest, Error
    from waitress.wasyncore import close_all, dispatcher, readwrite
