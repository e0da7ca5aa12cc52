"""Cursors and queries: only what this service wrote is read, and it is read as it was written."""

import re
from base64 import urlsafe_b64decode
from typing import Final
from urllib.parse import urlencode

from orders_core import InvalidOrder, OrderId
from orders_http.api.cursors import cursor_of_id, id_of_cursor
from orders_http.api.http_messages import read_form
from orders_http.api.problems import Problem, ProblemType
from tests.fuzz.target import Target

_ALPHABET: Final = re.compile("[A-Za-z0-9_-]+")
_NAMES: Final = ("after", "id", "limit")


def check(content: bytes) -> None:
    """Take the bytes for a cursor, for an id, and for a query."""
    text = content.decode(errors="replace")
    _check_cursor(text)
    order_id = _order_id(text)
    if order_id is not None:
        cursor = cursor_of_id(order_id)
        assert _ALPHABET.fullmatch(cursor), "a cursor needs no escapes in a URL"
        assert id_of_cursor(cursor) == order_id
    query = _query(content)
    if query is not None:
        assert set(query) <= set(_NAMES)
        assert _query(urlencode(query).encode()) == query
        _check_cursor(query.get("after", ""))


def _check_cursor(text: str) -> None:
    try:
        order_id = id_of_cursor(text)
    except Problem as problem:
        assert problem.type is ProblemType.INVALID_QUERY
        assert not _is_cursor(text), "a cursor was refused"
    else:
        assert _is_cursor(text), "what is no cursor was accepted"
        assert cursor_of_id(order_id) == text


def _is_cursor(text: str) -> bool:
    """Tell by RFC 4648, section 5, whether a text is the one cursor of some id."""
    if not _ALPHABET.fullmatch(text) or len(text) % 4 == 1:
        return False
    read = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    try:
        order_id = _order_id(read.decode())
    except UnicodeDecodeError:
        return False
    # The bits that the last character holds beyond the last byte must be zeros.
    unused = {0: 0, 2: 4, 3: 2}[len(text) % 4]
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".index(text[-1])
    return order_id is not None and last % (1 << unused) == 0


def _order_id(text: str) -> OrderId | None:
    try:
        return OrderId.of_stored(text)
    except InvalidOrder:
        return None


def _query(content: bytes) -> dict[str, str] | None:
    try:
        return read_form(content, _NAMES, ProblemType.INVALID_QUERY)
    except Problem as problem:
        assert problem.type is ProblemType.INVALID_QUERY
        assert problem.body().decode().isprintable()
        return None


TARGET: Final = Target(
    check=check,
    seeds=(
        *(b"QS0x", b"w6k", b"8J-YgA", b"QQ", b"QR", b"QQ==", b"A-1", b"+/", b"-_"),
        *(b"after=QS0x&limit=50", b"id=%C3%A9+x", b"after=QS0x;limit=1&after=", b"limit", b"&&"),
        "\u00e9\U0001f600".encode(),
    ),
    words=(
        *(b"after=", b"limit=", b"id=", b"&", b"=", b"%", b"%C3%A9", b"%FF", b"%00", b"+"),
        *(
            b"QS0x",
            b"w6k",
            b"Lg",
            b"Li4",
            b"IA",
            b"_",
            b"-",
            b"4oCL",
            b"\xe2\x80\xa8",
            b"\xed\xa0\x80",
        ),
    ),
    max_bytes=200,
    share=20,
)
