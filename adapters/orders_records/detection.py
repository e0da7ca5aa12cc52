"""Detects the format of a file of orders."""

import io
from typing import TYPE_CHECKING, BinaryIO, Final

from orders_records.media_types import MediaType
from orders_records.reader import BYTE_ORDER_MARK

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_FIRST_BYTES: Final = {b"{": MediaType.NDJSON, b"[": MediaType.JSON}
_BLANK_BYTES: Final = 64 * 1024
"""Blank lines to skip at most; a file that begins with more is read as CSV."""


def detect_format(opened: io.BufferedReader) -> tuple[MediaType, BinaryIO]:
    """Tell CSV, NDJSON and a JSON array apart by the first byte that is not blank.

    Empty content is NDJSON, as an export of no orders writes it. Whole lines are read, because the
    part of a pipe that has arrived may be blank.

    Returns:
        The format, and the content from its beginning.
    """
    line = opened.readline(_BLANK_BYTES)
    beginning = bytearray(line)
    text = line.removeprefix(BYTE_ORDER_MARK).strip()
    while line and not text and len(beginning) < _BLANK_BYTES:
        line = opened.readline(_BLANK_BYTES)
        beginning += line
        text = line.strip()
    is_empty = not beginning.removeprefix(BYTE_ORDER_MARK)
    media_type = MediaType.NDJSON if is_empty else _FIRST_BYTES.get(text[:1], MediaType.CSV)
    return media_type, io.BufferedReader(_Joined(beginning, opened))


class _Joined(io.RawIOBase):
    """The beginning of a stream, already read, followed by the rest."""

    def __init__(self, beginning: bytearray, rest: io.BufferedReader) -> None:
        self._beginning = io.BytesIO(beginning)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        # Whatever has arrived, without waiting for a full buffer: the writer may be slow.
        return self._beginning.readinto(buffer) or self._rest.readinto1(buffer)
