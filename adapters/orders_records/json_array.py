"""Reads orders from one JSON array, as `GET /orders` returns it, in constant memory."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO, Final

from attrs import define

from orders_core import InvalidOrder
from orders_records.diagnosis import quoted
from orders_records.json_objects import NotJson, order_from_json
from orders_records.records import (
    MAX_RECORD_BYTES,
    MAX_REFUSALS,
    Batch,
    BatchBuilder,
    MalformedRecord,
    WrongFormat,
)

_SPACE: Final = re.compile(rb"[ \t\r\n]*")
# A lone quote begins a string whose end has not been read.
_TOKEN: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},"]', re.DOTALL)
# An object without escapes and objects inside, before a delimiter: nearly every item.
_FLAT: Final = re.compile(
    rb'\{[^{}\[\]"]*(?:"[^"\\]*"[^{}\[\]"]*)*\}[ \t\r\n]*(?=[,\]])',
)
_LONGEST: Final = MAX_RECORD_BYTES + 1
_OPENING: Final = ord("[")
_CLOSING: Final = ord("]")


def read_array(content: BinaryIO, beginning: bytes, size: int) -> Iterator[Batch]:
    """Read the orders in one array.

    An item that is not an order is refused alone. A syntax error ends the reading, since the rest
    could mean anything. If the content ends before the array does, the whole items before the end
    are read.

    Args:
        content: The bytes, in UTF-8.
        beginning: The bytes that were read already.
        size: Bytes to read at a time.

    Raises:
        WrongFormat: It is not an array.
    """
    return _Array(content, size, beginning).batches()


@define
class _Array:
    """A partly read array.

    Attributes:
        content: The rest of the bytes.
        size: Bytes to read at a time.
        buffer: Bytes that were read and are still needed.
        start: The offset in the buffer at which to continue.
        line: The number of the line at that offset, from 1.
        item: The number of the next item, from 1.
    """

    content: BinaryIO
    size: int
    buffer: bytes
    start: int = 0
    line: int = 1
    item: int = 1

    def batches(self) -> Iterator[Batch]:
        """Read all batches."""
        if not self._skip_space() or self.buffer[self.start] != _OPENING:
            raise WrongFormat(f"a JSON array begins with [; found {self._character()}")
        self._go_to(self.start + 1)
        if self._skip_space() and self.buffer[self.start] == _CLOSING:
            self._go_to(self.start + 1)
            batch = BatchBuilder()
            self._end(batch)
            yield batch.batch()
            return
        more = True
        while more:
            batch = BatchBuilder()
            more = self._read_items(batch)
            yield batch.batch()

    def _read_items(self, batch: BatchBuilder) -> bool:
        """Read some items.

        Returns:
            Whether more may follow.
        """
        while self._skip_space():
            end = _item_end(self.buffer, self.start)
            if end < 0:
                if len(self.buffer) - self.start >= _LONGEST:
                    return self._give_up(batch, f"it is longer than {MAX_RECORD_BYTES} bytes")
                if not self._read_more():
                    break
                if batch.rows:
                    return True
                continue
            if not self._read_item(end, batch):
                return False
            delimiter = self.buffer[end]
            self._go_to(end + 1)
            if delimiter == _CLOSING:
                return self._end(batch)
            if len(batch.refusals) == MAX_REFUSALS:
                return True
        return self._cut_off(batch)

    def _read_item(self, end: int, batch: BatchBuilder) -> bool:
        """Read the item that ends at an offset; tell whether it is JSON."""
        content = self.buffer[self.start : end].rstrip()
        try:
            row = order_from_json(content).row
        except NotJson as error:
            return self._give_up(batch, str(error))
        except (MalformedRecord, InvalidOrder) as error:
            problem = MalformedRecord(f"item {self.item} of the array: {error}")
            batch.refuse(self.line, self.line + content.count(b"\n"), problem)
        else:
            batch.add(self.line, row)
        self.item += 1
        return True

    def _give_up(self, batch: BatchBuilder, problem: str) -> bool:
        """Refuse an item and everything after it."""
        message = f"item {self.item} of the array: {problem}; nothing after it was read"
        batch.refuse(self.line, self.line, MalformedRecord(message))
        return False

    def _cut_off(self, batch: BatchBuilder) -> bool:
        """Read the last item of an unclosed array, if there is one."""
        rest = self.buffer[self.start :].rstrip()
        with suppress(MalformedRecord, InvalidOrder):
            batch.add(self.line, order_from_json(rest).row)
        last = self.line + rest.count(b"\n")
        problem = MalformedRecord("possibly cut off: the array is not closed by ]")
        batch.refuse(self.line, last, problem)
        return False

    def _end(self, batch: BatchBuilder) -> bool:
        """Check that only white space follows the array."""
        if self._skip_space():
            problem = f"{self._character()} follows the array; one array must hold all orders"
            batch.refuse(self.line, self.line, MalformedRecord(problem))
        return False

    def _character(self) -> str:
        return quoted(self.buffer[self.start : self.start + 1])

    def _skip_space(self) -> bool:
        """Skip white space; tell whether anything follows."""
        while True:
            space = _SPACE.match(self.buffer, self.start)
            self._go_to(space.end() if space else self.start)
            if self.start < len(self.buffer):
                return True
            if not self._read_more():
                return False

    def _go_to(self, offset: int) -> None:
        self.line += self.buffer.count(b"\n", self.start, offset)
        self.start = offset

    def _read_more(self) -> bool:
        """Read more; tell whether there was any."""
        chunk = self.content.read(self.size)
        self.buffer = self.buffer[self.start :] + chunk
        self.start = 0
        return bool(chunk)


def _item_end(content: bytes, start: int) -> int:
    """Find the comma or bracket after an item; -1 when it has not been read."""
    flat = _FLAT.match(content, start, start + _LONGEST)
    if flat is not None:
        return flat.end()
    depth = 0
    for token in _TOKEN.finditer(content, start, start + _LONGEST):
        if token[0] == b'"':
            break
        if token[0] in b"[{":
            depth += 1
        elif depth == 0 and token[0] in b",]":
            return token.start()
        elif token[0] in b"]}":
            depth -= 1
    return -1
