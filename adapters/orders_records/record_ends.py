"""Finds where a record ends: in NDJSON with its line, in CSV after its quotes (RFC 4180)."""

import re
from typing import Final

_QUOTES: Final = re.compile(rb'"+')
# The end of a record, or the comma before the next quoted field.
_NEXT: Final = re.compile(rb'\n|,(?=")')
# Any number of quoted fields without quotes inside.
_QUOTED_FIELDS: Final = re.compile(rb'(?:"[^"]*",)+')
_COMMA: Final = b","


def follow_line(content: bytes, start: int, limit: int) -> tuple[int, bytes]:
    """Follow a line from its beginning.

    Args:
        content: The bytes; a record begins at `start`.
        start: The offset at which to begin.
        limit: The offset at which to stop.

    Returns:
        The offset after the record's line feed, or 0 when that is beyond the limit; and for that
        case, a short text that leaves a reader in the same state as this beginning.
    """
    return content.find(b"\n", start, limit) + 1, b""


def follow_csv_record(content: bytes, start: int, limit: int) -> tuple[int, bytes]:
    """Follow a record of CSV as `follow_line` does: a line feed in quotes does not end it.

    A quote opens a field only at its beginning, and text after the closing quote belongs to it.
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
    """Find the offset after the quote that closes a field; 0 when there is none."""
    for quotes in _QUOTES.finditer(content, start, limit):
        # Two quotes stand for one inside the field.
        if (quotes.end() - quotes.start()) % 2:
            return quotes.end()
    return 0
