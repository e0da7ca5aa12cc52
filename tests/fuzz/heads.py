"""Requests on one connection: read the same whole, byte by byte, or cut anywhere."""

from random import Random
from typing import Any, Final
from zlib import crc32

from waitress.adjustments import Adjustments

from orders_http.server.parsing import Parser
from tests.fuzz.target import Target
from tests.http.hostile_requests import all_requests

# Small, so that requests reach them.
_LIMITS: Final = Adjustments(max_request_header_size=240, max_request_body_size=60)
_READ: Final = ("command", "path", "query", "request_uri", "version", "url_scheme", "headers")
_MAX_BYTES: Final = 400
_BYTE_BY_BYTE: Final = 8


def check(raw: bytes) -> None:
    """Compare the requests read from the bytes at once with those read from pieces of them."""
    whole = _requests([raw])
    seed = crc32(raw)
    # It takes much longer than any other way to cut.
    if seed % _BYTE_BY_BYTE == 0:
        assert _requests([raw[at : at + 1] for at in range(len(raw))]) == whole
    draw = Random(seed)  # noqa: S311 - no secret is made of it
    cuts = sorted(draw.randrange(len(raw) + 1) for _ in range(1 + seed % 5))
    bounds = zip([0, *cuts], [*cuts, len(raw)], strict=True)
    assert _requests([raw[start:end] for start, end in bounds]) == whole
    for request in whole:
        for text in (request.get("request_uri", ""), *request.get("headers", {}).values()):
            assert not set(text) & {"\r", "\n", "\0"}, "a line could be added to what is logged"


def _requests(pieces: list[bytes]) -> list[dict[str, Any]]:
    """Read as a connection does; return all of each request that an answer depends on."""
    told: list[dict[str, Any]] = []
    parser = Parser(_LIMITS)
    for piece in pieces:
        rest = piece
        while rest:
            taken = parser.received(rest)
            assert taken > 0, "nothing was taken of what came"
            rest = rest[taken:]
            if not parser.completed:
                continue
            if parser.error is not None:
                told.append({"error": (type(parser.error), str(parser.error.body))})
                return told
            if not parser.empty:
                told.append(_told(parser))
            parser.close()
            parser = Parser(_LIMITS)
    told.append({"head": parser.headers_finished, "expects": parser.expect_continue})
    parser.close()
    return told


def _told(parser: Parser) -> dict[str, Any]:
    return {
        **{name: getattr(parser, name) for name in _READ},
        "close": parser.connection_close,
        "length": parser.content_length,
        "body": parser.get_body_stream().read(),
        "expects": parser.expect_continue,
    }


_PLACE: Final = (
    b"POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b'Content-Length: 26\r\n\r\n{"id": "A-1", "amount": 1}'
)
_GET: Final = b"GET /orders?id=%C3%A9 HTTP/1.1\r\nHost: h:80\r\nConnection: TE, close\r\n\r\n"
_CHUNKED: Final = (
    b"POST /orders HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;x=y\r\nhello\r\n0\r\nX: y\r\n\r\n"
)
_EXPECTING: Final = (
    b"POST / HTTP/1.0\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab"
)

TARGET: Final = Target(
    check=check,
    seeds=(
        *(_PLACE, _GET, _CHUNKED, _EXPECTING, _PLACE + _GET, _CHUNKED + _GET, b"\r\n" + _GET),
        *(each.raw for each in all_requests() if len(each.raw) <= _MAX_BYTES),
    ),
    words=(
        *(b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"GET ", b"POST ", b"HEAD ", b" HTTP/1.1\r\n"),
        *(b" HTTP/1.0\r\n", b"Host: h\r\n", b"Content-Length: ", b"Transfer-Encoding: chunked\r\n"),
        *(
            b"Expect: 100-continue\r\n",
            b"Connection: close\r\n",
            b"0\r\n\r\n",
            b"5\r\n",
            b"http://h/",
        ),
        *(b"#", b"%2F", b"//", b"?", b"\t", b"\0", b"\x80", b"\x0b", b"_", b";x"),
    ),
    max_bytes=_MAX_BYTES,
    share=15,
)
