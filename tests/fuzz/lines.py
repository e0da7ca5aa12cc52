"""CSV and NDJSON: the reader of the command and the one of HTTP agree, wherever a piece ends."""

import io
from functools import partial
from random import Random
from typing import BinaryIO, Final
from zlib import crc32

from orders_core import Order
from orders_records import (
    CSV_HEADER,
    MediaType,
    csv_of_json_lines,
    order_from_json,
    read_batches,
    read_lines,
)
from tests.fuzz.target import Target

_Read = tuple[int, Order | None, str]
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
    """Read the records one by one and many at a time."""
    one_by_one = [
        (line.number, line.order, str(line.problem))
        for line in read_lines(io.BytesIO(content), media_type)
    ]
    assert _at_once(io.BytesIO(content), media_type) == one_by_one
    draw = Random(crc32(content))  # noqa: S311 - no secret is made of it
    assert _at_once(_Short(content, draw), media_type) == one_by_one
    orders = [order for _, order, _ in one_by_one if order is not None]
    if media_type is MediaType.NDJSON:
        lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        for number, order, _ in one_by_one:
            assert order is None or order_from_json(lines[number - 1]) == order
    written = b"".join(
        b'{"id":"%b","amount":%b}\n' % (_escaped(order.id.value), str(order.amount).encode())
        for order in orders
    )
    table = _HEADER + csv_of_json_lines(written)
    for form, again in ((MediaType.NDJSON, written), (MediaType.CSV, table)):
        assert [line.order for line in read_lines(io.BytesIO(again), form)] == orders


def _at_once(content: BinaryIO, media_type: MediaType) -> list[_Read]:
    read: list[_Read] = []
    for batch in read_batches(content, media_type):
        read += [(line.number, line.order, str(line.problem)) for line in batch.problems]
        for number, row in zip(batch.numbers, batch.rows, strict=True):
            read.append((number, Order(*row), "None"))
    return sorted(read, key=lambda each: each[0])


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
