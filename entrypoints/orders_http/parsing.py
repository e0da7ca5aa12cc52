"""A request's bytes, read more strictly than Waitress 3.0.2 reads them.

Refused here, before any application sees them, are requests that two readers could take apart
differently (RFC 9112, sections 3.2, 6.1 and 11.2).
"""

import re
from typing import Any, Final

from waitress.parser import HTTPRequestParser, ParsingError

from orders_http.chunks import ChunkedBody

_ONCE: Final = frozenset({b"host", b"content-length", b"content-type", b"transfer-encoding"})
_WORDS: Final = 3
_VERSIONS: Final = frozenset({b"HTTP/1.0", b"HTTP/1.1"})
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")
# Waitress would drop a tab from the target and serve another path.
_UNPRINTABLE: Final = re.compile(rb"[^\x20-\x7e]")


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
    if b"#" in words[1]:
        # Waitress would drop what follows and serve another resource (RFC 9112, section 3.2).
        message = "the request target holds a #: a fragment is not sent, and in a path # is %23"
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


class Parser(HTTPRequestParser):  # type: ignore[misc]  # Waitress has no types
    """Waitress's parser behind a stricter one."""

    body_rcv: Any

    def received(self, data: bytes) -> int:
        """Take what came of one request; tell how many bytes belong to it."""
        consumed = int(super().received(data))
        if self.completed:
            # Waitress would ask for a body that does not come, or that is refused already.
            self.expect_continue = False
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        """Read the request line and the headers, or refuse them."""
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
