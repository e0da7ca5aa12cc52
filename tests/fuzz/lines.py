"""CSV, NDJSON and arrays: read alike wherever a piece ends, and as another reader reads them."""

import io
import json
from functools import partial
from random import Random
from typing import BinaryIO, Final
from zlib import crc32

from orders_core import InvalidOrder, Order
from orders_records import (
    CSV_HEADER,
    MAX_RECORD_BYTES,
    MalformedRecord,
    MediaType,
    WrongFormat,
    csv_of_json_lines,
    order_from_json,
    read_batches,
)
from tests.fuzz import csv_reader
from tests.fuzz.csv_reader import Record
from tests.fuzz.target import Target

_MARK: Final = b"\xef\xbb\xbf"
_LONG: Final = b"\x01"
"""Replaced by half as many bytes as a record may have."""
_MAX_LONG: Final = 4
_HEADER: Final = CSV_HEADER.encode() + b"\r\n"


class _Short(io.BytesIO):
    """Returns less than requested, as a pipe does."""

    def __init__(self, content: bytes, draw: Random) -> None:
        super().__init__(content)
        self._draw = draw

    def read(self, size: int | None = -1, /) -> bytes:
        """Read a little."""
        few = self._draw.randrange(1, 48)
        return super().read(few if size is None or size < 0 else min(size, few))


def check(media_type: MediaType, written_short: bytes) -> None:
    """Read the records at once and in pieces, and compare them with another reader's."""
    content = written_short.replace(_LONG, b"x" * (MAX_RECORD_BYTES // 2), _MAX_LONG)
    draw = Random(crc32(content))  # noqa: S311 - no secret is made of it
    orders: list[Order] = []
    for whole in (False, True):
        at_once = _read(io.BytesIO(content), media_type, whole=whole)
        size = draw.randrange(1, 48)
        in_pieces = _read(_Short(content, draw), media_type, whole=whole, size=size)
        assert in_pieces == at_once
        records = None if at_once is None else [record for record, _ in at_once]
        _check_against_another(media_type, content.removeprefix(_MARK), records, whole=whole)
        orders = [each.order for each in records or () if each.order is not None]
    written = b"".join(
        b'{"id":"%b","amount":%b}\n' % (_escaped(order.id.value), str(order.amount).encode())
        for order in orders
    )
    table = _HEADER + csv_of_json_lines(written)
    array = b"[" + written[:-1].replace(b"\n", b",") + b"]"
    for form, again in zip(MediaType, (array, written, table), strict=True):
        read = _read(io.BytesIO(again), form, whole=True)
        assert read is not None
        assert [record.order for record, _ in read] == orders


def _read(
    content: BinaryIO, media_type: MediaType, *, whole: bool, size: int = 1_000
) -> list[tuple[Record, str]] | None:
    """Return each order or refusal, in order; None when the content has another form."""
    read: list[tuple[Record, str]] = []
    try:
        for batch in read_batches(content, media_type, whole=whole, size=size):
            read += [
                (Record(each.first_line, each.last_line, None), str(each.problem))
                for each in batch.refusals
            ]
            for number, row in zip(batch.numbers, batch.rows, strict=True):
                # An order of more than one line needs a line feed in its id, which is refused.
                read.append((Record(number, number, Order(*row)), ""))
    except WrongFormat:
        return None
    return sorted(read, key=lambda each: (each[0].first_line, each[1]))


def _check_against_another(
    media_type: MediaType, content: bytes, records: list[Record] | None, *, whole: bool
) -> None:
    if media_type is MediaType.CSV:
        assert records == csv_reader.read(content, whole=whole)
    elif media_type is MediaType.NDJSON:
        lines = content.split(b"\n")
        for number, line in enumerate(lines, start=1):
            if line.strip(b" \t\r") and records is not None:
                assert [each.order for each in records if each.first_line == number] == [
                    _order(line.removesuffix(b"\r"))
                ]
    else:
        _check_array(content, records)


def _check_array(content: bytes, records: list[Record] | None) -> None:
    """Compare an array that is JSON to every reader with its items one by one."""
    try:
        items = json.loads(content.decode(), parse_float=_Written, parse_int=_Written)
    except (ValueError, RecursionError):
        return
    if isinstance(items, list):
        found = [each.order for each in records or () if each.order is not None]
        expected = [order for item in items if (order := _order(_json_of(item))) is not None]
        # What only strict readers refuse, such as NaN, ends the reading.
        assert found == expected[: len(found)]


class _Written(str):
    """A number with its text."""

    __slots__ = ()


def _json_of(item: object) -> bytes:
    if isinstance(item, _Written):
        return item.encode()
    if isinstance(item, dict):
        members = (json.dumps(name).encode() + b":" + _json_of(item[name]) for name in item)
        return b"{" + b",".join(members) + b"}"
    if isinstance(item, list):
        return b"[" + b",".join(map(_json_of, item)) + b"]"
    return json.dumps(item).encode()


def _order(content: bytes) -> Order | None:
    try:
        return order_from_json(content)
    except (MalformedRecord, InvalidOrder):
        return None


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
        b'id,amount\n"\x01\x01\x01""\n,"",\x01",1\nA,1\n',
    ),
    words=(
        b"id,amount\n",
        b",",
        b'"',
        b'""',
        b'","',
        b'"\n',
        b",1\n",
        b"=",
        b";",
        _LONG,
        *_ODD_BYTES,
    ),
    max_bytes=160,
    share=3,
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
    share=2,
)

ARRAY: Final = Target(
    check=partial(check, MediaType.JSON),
    seeds=(
        b'[{"id":"A-1","amount":12.30},\n {"id": "B", "amount": 1} ]\r\n',
        b'\xef\xbb\xbf [{"id":"\\u00e9","amount":"1e2"},{},[1],"]",{"id":"A","amount":1,"x":{}}]',
        b'[{"id":"A]","amount":1},{"id":"B","amount":2},{"id":"C","amo',
        b"[] x",
    ),
    words=(
        *(b'{"id":"', b'","amount":', b"},", b"}]", b"[", b"]", b"{}", b"\\u00e9", b'\\"', b": "),
        *(b"1e2", b"-0", b"9999999999999.99", b"1.005", b"null", b'"x"', b",", *_ODD_BYTES),
    ),
    max_bytes=160,
    share=2,
)
