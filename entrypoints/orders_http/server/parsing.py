"""A request's bytes, read more strictly than by Waitress.

Refused here, before any application sees them, are requests that two readers could take apart
differently (RFC 9112, sections 3.2, 6.1 and 11.2).
"""

import re
from io import BytesIO
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from orders_http.server.chunks import ChunkedBody
from orders_http.server.waitress_internals import HTTPRequestParser, ParsingError

_ONCE: Final = frozenset({b"host", b"content-length", b"content-type", b"transfer-encoding"})
_WORDS: Final = 3
_VERSIONS: Final = frozenset({b"HTTP/1.0", b"HTTP/1.1"})
_LENGTH: Final = re.compile("[0-9]{1,18}")
# Waitress would drop a tab from the target and serve another path.
_UNPRINTABLE: Final = re.compile(rb"[^\x20-\x7e]")
_END: Final = b"\r\n\r\n"
# What the heads of nearly all requests are made of, and what they are about.
_PLAIN_METHODS: Final = frozenset({"GET", "HEAD", "POST"})
_NOT_PLAIN: Final = re.compile(r"[^\x20-\x7e\r\n]")
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9-]+")
_INVOLVED: Final = frozenset({"TRANSFER_ENCODING", "EXPECT"})


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
    if not _LENGTH.fullmatch(fields.get(b"content-length", b"0").decode("latin-1")):
        message = "Content-Length is no number of bytes"
        raise ParsingError(message)


def _check_transfer_encoding(request_line: bytes, fields: dict[bytes, bytes]) -> None:
    if b"content-length" in fields:
        message = "there are both Content-Length and Transfer-Encoding"
        raise ParsingError(message)
    if fields[b"transfer-encoding"].lower() != b"chunked" or request_line.endswith(b"HTTP/1.0"):
        message = "the only Transfer-Encoding is chunked, in HTTP/1.1"
        raise ParsingError(message)


def _plain_fields(lines: list[str]) -> dict[str, str] | None:
    """Read header lines by Waitress's names (`CONTENT_TYPE`); None when one is out of the ordinary.

    The lines hold nothing but printable ASCII.
    """
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        key = name.upper().replace("-", "_")
        if not colon or key in fields or key in _INVOLVED or not _PLAIN_NAME.fullmatch(name):
            return None
        fields[key] = value.strip(" ")
    return fields


def _name_close_alone(fields: dict[str, str]) -> None:
    """Let `close` among the options of a connection stand alone (RFC 9110, section 7.6.1).

    Waitress, and what answers, know it by this one word.
    """
    options = fields.get("CONNECTION", "").lower().split(",")
    if any(each.strip(" \t") == "close" for each in options):
        fields["CONNECTION"] = "close"


def _join_cookies(fields: dict[str, str], header_plus: bytes) -> None:
    """Make one field of several of the name Cookie, as HTTP/2 sends them (RFC 9113, 8.2.3).

    Waitress joins them by commas, as is right for all others that may be there several times.
    """
    if "," in fields.get("COOKIE", ""):
        lines = header_plus.decode("latin-1").split("\r\n")
        named = (line.partition(":") for line in lines)
        fields["COOKIE"] = "; ".join(
            value.strip(" \t") for name, _, value in named if name.lower() == "cookie"
        )


class Parser(HTTPRequestParser):
    """Waitress's parser behind a stricter one.

    Nearly all requests come whole, and hold nothing that could be taken in two ways. Those are
    read in one go; the others, and all that are refused, piece by piece.
    """

    _body: bytes | None = None

    def received(self, data: bytes) -> int:
        """Take what came of one request; tell how many bytes belong to it."""
        if not self.header_plus and self.body_rcv is None:
            consumed = self._take_whole(data)
            if consumed:
                return consumed
        consumed = int(super().received(data))
        if self.completed:
            # Waitress would ask for a body that does not come, or that is refused already.
            self.expect_continue = False
        return consumed

    def get_body_stream(self) -> Any:  # noqa: ANN401 - Waitress has no types
        """Give the body as a file."""
        return super().get_body_stream() if self._body is None else BytesIO(self._body)

    def _take_whole(self, data: bytes) -> int:
        """Take a plain request that is there whole; nothing of any other: then the answer is 0."""
        end = data.find(_END)
        if not 0 <= end < self.adj.max_request_header_size - len(_END):
            return 0
        head = data[:end].decode("latin-1")
        request_line, *lines = head.split("\r\n")
        breaks = len(lines)
        if _NOT_PLAIN.search(head) or not head.count("\r") == head.count("\n") == breaks:
            return 0
        method, _, rest = request_line.partition(" ")
        target, _, version = rest.partition(" ")
        if method not in _PLAIN_METHODS or version != "HTTP/1.1":
            return 0
        if target[:1] != "/" or target[:2] == "//" or "#" in target:
            return 0
        fields = _plain_fields(lines)
        if fields is None or "HOST" not in fields:
            return 0
        written = fields.get("CONTENT_LENGTH", "0")
        if not _LENGTH.fullmatch(written):
            return 0
        length = int(written)
        end += len(_END)
        if len(data) - end < length or length >= self.adj.max_request_body_size:
            return 0
        path, _, self.query = target.partition("?")
        self.path = unquote_to_bytes(path).decode("latin-1") if "%" in path else path
        self.command, self.request_uri, self.version = method, target, "1.1"
        self.url_scheme = self.adj.url_scheme
        _name_close_alone(fields)
        self.headers = fields
        self.connection_close = fields.get("CONNECTION") == "close"
        self.content_length = length
        self._body = data[end : end + length]
        self.headers_finished = self.completed = True
        return end + length

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
        _join_cookies(self.headers, header_plus)
        _name_close_alone(self.headers)
        self.connection_close = self.connection_close or self.headers.get("CONNECTION") == "close"
        if self.chunked:
            self.body_rcv = ChunkedBody(self.body_rcv.getbuf())
        if self.proxy_netloc:
            # A whole URL as the target names the host; Host then counts for nothing
            # (RFC 9112, section 3.2.2).
            self.headers["HOST"] = self.proxy_netloc
