"""Where a record ends: in NDJSON at the end of its line, in CSV behind its quotes (RFC 4180)."""

import re
from typing import Final

_QUOTES: Final = re.compile(rb'"+')
# What ends a record, or leads to the next field that is quoted.
_NEXT: Final = re.compile(rb'\n|,(?=")')
# Fields in quotes with none inside, as many as there are.
_QUOTED_FIELDS: Final = re.compile(rb'(?:"[^"]*",)+')
_COMMA: Final = b","


def follow_line(content: bytes, start: int, limit: int) -> tuple[int, bytes]:
    """Follow a line from its beginning.

    Args:
        content: The bytes, of which a record begins at `start`.
        start: Where to begin.
        limit: Where to stop.

    Returns:
        The record's end, behind its line feed, or 0 when it is not in front of the limit; and for
        that case a short beginning after which one reads on as after this one.
    """
    return content.find(b"\n", start, limit) + 1, b""


def follow_csv_record(content: bytes, start: int, limit: int) -> tuple[int, bytes]:
    """Follow a record of CSV as `follow_line` does: a line feed in quotes does not end it.

    A quote opens a field only at its beginning, and what follows a closed one belongs to it.
    """
    end = content.find(b"\n", start, limit) + 1
    if end and content.find(b'"', start, end) < 0:
        return end, b""
    limit = min(limit, len(content))
    while True:
        if quoted := _QUOTED_FIELDS.match(content, start, limit):
            start = quoted.end()
            if start == limit:
                return 0, _COMMA
        if content.startswith(b'"', start, limit):
            start = _closed(content, start + 1, limit)
            if not start:
                return 0, b'"'
            if start == limit:
                # The last quote closes the field, unless another quote follows.
                return 0, b'""'
        found = _NEXT.search(content, start, limit)
        if found is None:
            return 0, _COMMA if content.endswith(_COMMA, start, limit) else b"x"
        if found[0] != _COMMA:
            return found.end(), b""
        start = found.end()


def _closed(content: bytes, start: int, limit: int) -> int:
    """Find the quote that closes a field, and give its end; 0 when it is not there."""
    for quotes in _QUOTES.finditer(content, start, limit):
        # Two are one that is inside.
        if (quotes.end() - quotes.start()) % 2:
            return quotes.end()
    return 0
