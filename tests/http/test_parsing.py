"""A request that arrives whole is parsed like one that arrives byte by byte."""

from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st
from waitress.adjustments import Adjustments

from orders_http.server.parsing import Parser
from tests.http.hostile_requests import all_requests

_READ: Final = ("command", "path", "query", "request_uri", "version", "url_scheme", "headers")

_NAMES: Final = st.sampled_from(
    [
        *("Host", "host", "Accept", "Content-Type", "Connection", "Cookie", "X-Request-Id"),
        *("Content-Length", "Transfer-Encoding", "Expect", "X_Under", "Bad Name", "", "If-Match"),
    ],
)
_VALUES: Final = st.sampled_from(
    [
        *(
            "",
            "a",
            " a ",
            "\ta",
            "close",
            "TE, Close",
            "keep-alive",
            "localhost",
            "0",
            "3",
            "+3",
            "x" * 200,
        ),
        *("chunked", "100-continue", "a\rb", "a\nb", "\x00", "\xe9", "a\tb", "99999999"),
    ],
)
_TARGETS: Final = st.sampled_from(
    [
        *("/", "/orders", "/orders?limit=1", "/a%2Fb?x=%20", "//a", "*", "http://h/a?b", "/#a"),
        *("/a?b?c", "/%FF", "/a b", "/\xe9", "/[", "/a;b", "/?", "orders"),
    ],
)
_LINES: Final = st.builds("{}: {}".format, _NAMES, _VALUES) | st.sampled_from(["Host:h", "x", " a"])


@st.composite
def _requests(draw: st.DrawFn) -> bytes:
    method = draw(st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "get", "G(T", ""]))
    version = draw(st.sampled_from(["HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", ""]))
    request_line = f"{method} {draw(_TARGETS)} {version}"
    lines = [request_line, "Host: localhost", *draw(st.lists(_LINES, max_size=4))]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + draw(st.binary(max_size=6))


def _read(raw: bytes, *, whole: bool) -> dict[str, Any]:
    """Parse a request; return everything that an answer depends on."""
    parser = Parser(Adjustments())
    consumed = 0
    step = len(raw) if whole else 1
    while consumed < len(raw) and not parser.completed:
        consumed += parser.received(raw[consumed : consumed + step])
    parsed: dict[str, Any] = {"completed": parser.completed, "consumed": consumed}
    if parser.error is not None:
        return {**parsed, "error": (type(parser.error), str(parser.error.body))}
    if parser.completed and not parser.empty:
        parsed.update({name: getattr(parser, name) for name in _READ})
        parsed.update(close=parser.connection_close, length=parser.content_length)
        parsed.update(body=parser.get_body_stream().read(), expects=parser.expect_continue)
    parser.close()
    return parsed


@given(_requests())
def test_a_whole_request_is_parsed_like_one_that_arrives_byte_by_byte(raw: bytes) -> None:
    assert _read(raw, whole=True) == _read(raw, whole=False)


def test_so_are_the_hostile_requests() -> None:
    for request in all_requests():
        if len(request.raw) < 10_000:
            assert _read(request.raw, whole=True) == _read(request.raw, whole=False), request.name
