"""CSV, NDJSON and arrays: read alike wherever a piece ends, and as another reader reads them."""

import csv
import io
import json
import re
from collections.abc import Callable
from functools import partial
from random import Random
from typing import BinaryIO, Final
from zlib import crc32

from orders_core import Order
from orders_records import (
    CSV_HEADER,
    MediaType,
    WrongFormat,
    csv_of_json_lines,
    read_batches,
)
from tests.fuzz.target import Target

_Read = list[tuple[int, Order | str]]
_HEADER: Final = CSV_HEADER.encode() + b"\r\n"


class _Short(io.BytesIO):
    """Gives less than it is asked for, as a pipe does."""

    def __init__(self, content: bytes, draw: Random) -> None:
        super().__init__(content)
        self._draw = draw

    def read(self, size: int | None = -1, /) -> bytes:
        """Read a little."""
        few = self._draw.randrange(1, 48)
        return super().read(few if size is None or size < 0 else min(size, few))


def check(media_type: MediaType, content: bytes) -> None:
    """Read the records at once and in pieces, and hold them against another reader's."""
    at_once = _read(io.BytesIO(content), media_type)
    draw = Random(crc32(content))  # noqa: S311 - no secret is made of it
    assert _read(_Short(content, draw), media_type) == at_once
    orders = [(number, found) for number, found in at_once if isinstance(found, Order)]
    another_reads = _another_reads(media_type, content)
    assert all(another_reads(number, order) for number, order in orders)
    written = b"".join(
        b'{"id":"%b","amount":%b}\n' % (_escaped(order.id.value), str(order.amount).encode())
        for _, order in orders
    )
    table = _HEADER + csv_of_json_lines(written)
    array = b"[" + written[:-1].replace(b"\n", b",") + b"]"
    for form, again in zip(MediaType, (array, written, table), strict=True):
        assert [found for _, found in _read(io.BytesIO(again), form)] == [
            each for _, each in orders
        ]


def _read(content: BinaryIO, media_type: MediaType) -> _Read:
    """Give each order or refusal with the line that it begins in, in order."""
    read: _Read = []
    try:
        for batch in read_batches(content, media_type, whole=True):
            read += [(each.first_line, f"{each.place}: {each.problem}") for each in batch.refusals]
            for number, row in zip(batch.numbers, batch.rows, strict=True):
                read.append((number, Order(*row)))
    except WrongFormat as error:
        read.append((1, str(error)))
    return sorted(read, key=lambda each: each[0])


def _another_reads(media_type: MediaType, content: bytes) -> Callable[[int, Order], bool]:
    """Give what tells whether a lenient reader reads an order there, too."""
    text = content.removeprefix(b"\xef\xbb\xbf").decode(errors="surrogateescape")
    if media_type is MediaType.NDJSON:
        lines = text.split("\n")
        return lambda number, order: json.loads(lines[number - 1])["id"] == order.id.value
    if re.search(r"\r(?!\n)", text):
        # To that reader a carriage return alone ends a row.
        return lambda _number, _order: True
    reader = csv.reader(io.StringIO(text, newline=""))
    rows, first = {}, 1
    for row in reader:
        rows[first] = row
        first = reader.line_num + 1
    return lambda number, order: Order.parse(*rows[number]) == order


def _escaped(text: str) -> bytes:
    return text.replace("\\", r"\\").replace('"', r"\"").encode()


_ODD_BYTES: Final = (
    *(b"\r\n", b"\n", b"\r", b"\n\n", b"\xef\xbb\xbf", b"\xff", b"\xc3\xa9", b"\xc2\x85"),
    *(b"\xe2\x80\xa8", b"\xed\xa0\x80", b"\0", b"\x0b", b"x" * 64, b".", b" ", b"\t"),
    *(b"\xe2\x80\x8b", b"\xc2\xad", b"\xe2\x80\xae", b"\xef\xb8\x8f", b"\xf3\xa0\x81\x81"),
)

CSV: Final = Target(
    check=partial(check, MediaType.CSV),
    seeds=(
        b"id,amount\r\nA-1,12.30\r\nB,1e2\r\n",
        b'\xef\xbb\xbf"id","amount"\n"A,1","1"\n"A""1",2\n..,1\n\n A,1\n',
        b'id,amount\nB-9,"1\r\nB-8,2\ny",3\nC-1,3\nT-2,123',
        b'id,amount\n="00123",1\nA"1",2\n"A"1,3\nA\xff,1\n\xc3\xa9,0.5',
        b"id;amount\nA;1,5\n",
    ),
    words=(b"id,amount\n", b",", b'"', b'""', b'","', b'"\n', b",1\n", b"=", b";", *_ODD_BYTES),
    max_bytes=160,
    share=5,
)

NDJSON: Final = Target(
    check=partial(check, MediaType.NDJSON),
    seeds=(
        b'{"id":"A-1","amount":12.30}\n{"id": "B", "amount": 1}\r\n',
        b'\n{"id":"\\u00e9","amount":"1e2"}\n\n {"amount":1.005,"id":".."}\n{"id":',
        '{"id":"\u00e9\u2028","amount":0.5}\n[]\n{"id":"A","amount":1,"x":2}'.encode(),
        b'\xef\xbb\xbf{"id":"A","amount":1}\n{"id":"\xff","amount":1}\n',
    ),
    words=(
        *(b'{"id":"', b'","amount":', b"}\n", b'"id"', b'"amount"', b"\\u00e9", b'\\"', b": "),
        *(b"1e2", b"-0", b"9999999999999.99", b"10000000000000", b"1.005", b"[", *_ODD_BYTES),
    ),
    max_bytes=160,
    share=5,
)
