"""Parses requests more strictly than Waitress.

Requests that two parsers could read differently are refused here, before any application sees
them (RFC 9112, sections 3.2, 6.1 and 11.2).
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
# Nearly all requests are plain: they use these methods, characters and names.
_PLAIN_METHODS: Final = frozenset({"GET", "HEAD", "POST"})
_NOT_PLAIN: Final = re.compile(r"[^\x20-\x7e\r\n]")
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9-]+")
_INVOLVED: Final = frozenset({"TRANSFER_ENCODING", "EXPECT"})


def _check_head(header_plus: bytes) -> None:
    """Refuse an ambiguous request head.

    Raises:
        ParsingError: It says what is wrong.
    """
    request_line, *lines = header_plus.rstrip(b"\r\n").split(b"\r\n")
    words = request_line.split(b" ")
    if len(words) != _WORDS or words[-1] not in _VERSIONS:
        raise ParsingError("the request line is not a method, a target and HTTP/1.1 or HTTP/1.0")
    if _UNPRINTABLE.search(request_line):
        raise ParsingError("the request line contains a byte that is not printable ASCII")
    if b"#" in words[1]:
        # Waitress would drop what follows and serve another resource (RFC 9112, section 3.2).
        raise ParsingError(
            "the request target contains #: leave out the fragment; in a path write %23"
        )
    fields: dict[bytes, bytes] = {}
    for line in lines:
        if line[:1] in {b" ", b"\t"}:
            raise ParsingError("a header is continued on a second line")
        name, _, value = line.partition(b":")
        name = name.lower()
        if name in _ONCE and name in fields:
            raise ParsingError(f"there are two {name.decode()} headers")
        fields[name] = value.strip(b" \t")
    if b"host" not in fields and request_line.endswith(b"HTTP/1.1"):
        raise ParsingError("the Host header is missing")
    if b"transfer-encoding" in fields:
        _check_transfer_encoding(request_line, fields)
    if not _LENGTH.fullmatch(fields.get(b"content-length", b"0").decode("latin-1")):
        raise ParsingError("Content-Length is not a number of bytes")


def _check_transfer_encoding(request_line: bytes, fields: dict[bytes, bytes]) -> None:
    if b"content-length" in fields:
        raise ParsingError("Content-Length and Transfer-Encoding cannot be used together")
    if fields[b"transfer-encoding"].lower() != b"chunked" or request_line.endswith(b"HTTP/1.0"):
        raise ParsingError("the only supported Transfer-Encoding is chunked, in HTTP/1.1")


def _plain_fields(lines: list[str]) -> dict[str, str] | None:
    """Return the headers by Waitress's names (`CONTENT_TYPE`); None if one is not plain.

    The lines contain nothing but printable ASCII.
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
    """Reduce connection options that include `close` to `close` (RFC 9110, section 7.6.1).

    Waitress and `connections` compare the whole value.
    """
    options = fields.get("CONNECTION", "").lower().split(",")
    if any(each.strip(" \t") == "close" for each in options):
        fields["CONNECTION"] = "close"


def _join_cookies(fields: dict[str, str], header_plus: bytes) -> None:
    """Join several Cookie headers into one, as HTTP/2 allows to split them (RFC 9113, 8.2.3).

    Waitress joins them with commas, which is right for every other header.
    """
    if "," in fields.get("COOKIE", ""):
        lines = header_plus.decode("latin-1").split("\r\n")
        named = (line.partition(":") for line in lines)
        fields["COOKIE"] = "; ".join(
            value.strip(" \t") for name, _, value in named if name.lower() == "cookie"
        )


class Parser(HTTPRequestParser):
    """Waitress's parser behind a stricter one.

    Nearly all requests arrive whole and are plain: they are parsed in one go. Waitress parses all
    others piece by piece, after a check that they are not ambiguous.
    """

    _body: bytes | None = None

    def received(self, data: bytes) -> int:
        """Parse received bytes, and return how many of them belong to this request."""
        if not self.header_plus and self.body_rcv is None:
            consumed = self._parse_whole(data)
            if consumed:
                return consumed
        consumed = int(super().received(data))
        if self.completed:
            # Waitress would ask for a body that is here already, or that has been refused.
            self.expect_continue = False
        return consumed

    def get_body_stream(self) -> Any:  # noqa: ANN401 - Waitress has no types
        """Return the body as a file."""
        return super().get_body_stream() if self._body is None else BytesIO(self._body)

    def _parse_whole(self, data: bytes) -> int:
        """Parse a plain request that has arrived whole; return 0, and do nothing, for any other."""
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
        """Parse the request line and the headers, or refuse them."""
        # Waitress passes this line alone to answer a head that is too large.
        if header_plus != b"GET / HTTP/1.0\r\n":
            _check_head(header_plus)
        try:
            super().parse_header(header_plus)
        except ValueError as error:
            raise ParsingError("the request target cannot be parsed") from error
        _join_cookies(self.headers, header_plus)
        _name_close_alone(self.headers)
        self.connection_close = self.connection_close or self.headers.get("CONNECTION") == "close"
        if self.chunked:
            self.body_rcv = ChunkedBody(self.body_rcv.getbuf())
        if self.proxy_netloc:
            # A URL as the request target names the host; the Host header is then ignored
            # (RFC 9112, section 3.2.2).
            self.headers["HOST"] = self.proxy_netloc
