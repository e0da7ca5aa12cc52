"""Orders as JSON, NDJSON and CSV: what is written reads as what it was."""

import csv
import io
import json
import re
import tracemalloc
from decimal import Decimal
from itertools import islice

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orders_core import InvalidOrder, JsonPage, Order, json_lines, order_to_json
from orders_records import (
    BATCH_BYTES,
    CSV_HEADER,
    Line,
    MalformedRecord,
    MediaType,
    csv_of_json_lines,
    order_from_json,
    read_batches,
    read_lines,
)
from tests.http.strategies import awkward_orders
from tests.strategies import id_texts

SOME_ORDERS = st.lists(awkward_orders(), max_size=6)


def ndjson_of(orders: list[Order]) -> bytes:
    return json_lines((order.id.value, str(order.amount)) for order in orders)


@given(awkward_orders())
def test_an_order_survives_json(order: Order) -> None:
    assert order_from_json(order_to_json(order)) == order


@given(SOME_ORDERS)
def test_orders_survive_ndjson(orders: list[Order]) -> None:
    content = ndjson_of(orders)
    lines = list(read_lines(io.BytesIO(content), MediaType.NDJSON))
    assert [line.order for line in lines] == orders
    assert [line.number for line in lines] == list(range(1, len(orders) + 1))


@given(SOME_ORDERS)
def test_orders_survive_csv(orders: list[Order]) -> None:
    content = f"{CSV_HEADER}\r\n".encode() + csv_of_json_lines(ndjson_of(orders))
    lines = list(read_lines(io.BytesIO(content), MediaType.CSV))
    assert [line.order for line in lines] == orders
    assert [line.number for line in lines] == list(range(2, len(orders) + 2))


@given(SOME_ORDERS)
def test_other_readers_read_the_same(orders: list[Order]) -> None:
    expected = [{"id": order.id.value, "amount": order.amount.value} for order in orders]
    array = JsonPage(ndjson_of(orders), has_next=False).array
    assert json.loads(array, parse_float=Decimal) == expected
    lines = ndjson_of(orders).decode().split("\n")
    assert [json.loads(line, parse_float=Decimal) for line in lines[:-1]] == expected
    table = f"{CSV_HEADER}\r\n" + csv_of_json_lines(ndjson_of(orders)).decode()
    rows = csv.DictReader(io.StringIO(table, newline=""))
    assert [{"id": row["id"], "amount": Decimal(row["amount"])} for row in rows] == expected


@given(st.binary(max_size=200) | st.text('{}",:\n\\idamount1.e', max_size=80).map(str.encode))
def test_any_bytes_give_an_order_or_the_reason_for_each_line(content: bytes) -> None:
    for media_type in (MediaType.NDJSON, MediaType.CSV):
        for line in read_lines(io.BytesIO(content), media_type):
            assert (line.order is None) == isinstance(line.problem, MalformedRecord | InvalidOrder)


@pytest.mark.parametrize("media_type", [MediaType.NDJSON, MediaType.CSV])
def test_a_line_of_any_length_takes_little_memory(media_type: MediaType) -> None:
    class Endless(io.RawIOBase):
        """A line of 64 MiB that is made while it is read."""

        left = 64 * 1024 * 1024
        longest = 0

        def readline(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            self.longest = max(self.longest, size)
            taken = min(size, self.left)
            self.left -= taken
            return b"x" * taken

    source = Endless()
    (line,) = read_lines(source, media_type)  # type: ignore[arg-type]  # only readline is used
    assert "longer than" in str(line.problem)
    assert source.longest <= 10_000


@pytest.mark.parametrize("media_type", [MediaType.NDJSON, MediaType.CSV])
def test_no_line_is_read_before_it_is_asked_for(media_type: MediaType) -> None:
    class Counting(io.BytesIO):
        """Counts the lines that are read of it."""

        lines = 0

        def readline(self, size: int | None = -1, /) -> bytes:
            self.lines += 1
            return super().readline(size)

    source = Counting(b"x\n" * 500_000)
    assert len(list(islice(read_lines(source, media_type), 1_001))) == 1_001
    assert source.lines == 1_001


@pytest.mark.parametrize("media_type", [MediaType.NDJSON, MediaType.CSV])
@pytest.mark.parametrize("line", [b"x" * 8_000, b'{"id":5,"amount":"' + b"1" * 7_900 + b'"}'])
def test_the_problems_of_lines_do_not_keep_the_lines(media_type: MediaType, line: bytes) -> None:
    content = io.BytesIO((line + b"\n") * 1_000)
    # What is made once is not counted.
    next(read_lines(io.BytesIO(line), media_type))
    tracemalloc.start()
    try:
        problems = [line.problem for line in read_lines(content, media_type)]
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(problems) == 1_000
    assert kept < 2_000_000


# Texts of all that lies near a plain line: spaces, escapes, quotes, odd amounts, broken UTF-8.
PARTS = st.lists(
    st.sampled_from(
        [
            *(
                '{"id":"',
                '{"id": "',
                '","amount":',
                '", "amount": ',
                "}",
                "} ",
                '"',
                ",",
                "\\",
                ".",
            ),
            *("A", "..", " ", "\t", "\r", "\x7f", "\u0085", "\u00a0", "\u2028", "\u3000", "\ufeff"),
            *("\u200b", "\u3164", "\ufe0f", "\U000e0041", "\u2800"),
            *("0", "1", "01", "12.3", "1.005", "-0", "1e2", "9999999999999.99", "10000000000000"),
            *("x" * 127, "x" * 128, "\U0001f600" * 127, "\ue000", "\\u0041", "\\n", "id", "amount"),
        ],
    ),
    max_size=9,
).map("".join)
LINES = st.one_of(
    PARTS.map(str.encode),
    st.builds('{{"id":"{}","amount":{}}}'.format, PARTS, PARTS).map(str.encode),
    st.builds("{},{}".format, PARTS, PARTS).map(str.encode),
    awkward_orders().map(order_to_json),
    awkward_orders().map(lambda order: f"{order.id},{order.amount}".encode()),
    st.binary(max_size=30).map(lambda part: b'{"id":"' + part + b'","amount":1}'),
    st.binary(max_size=30).map(lambda part: part + b",1.0"),
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\r\r\n"])
CONTENTS = st.builds(
    lambda header, lines, last: header + b"".join(line + end for line, end in lines) + last,
    st.sampled_from([b"", b"id,amount\r\n", b"\xef\xbb\xbfid,amount\n"]),
    st.lists(st.tuples(LINES, ENDS), max_size=8),
    LINES,
)


def read_at_once(content: bytes, media_type: MediaType) -> list[Line]:
    """Read batches, and give what each line holds, in order."""
    lines: list[Line] = []
    for batch in read_batches(io.BytesIO(content), media_type):
        lines += batch.problems
        for number, (order_id, amount) in zip(batch.numbers, batch.rows, strict=True):
            assert re.fullmatch(r"[0-9]{1,13}(\.[0-9]{1,2})?", amount)
            lines.append(Line(number, Order(order_id, amount), None))
    return sorted(lines, key=lambda line: line.number)


@settings(max_examples=400)
@given(CONTENTS, st.sampled_from([MediaType.NDJSON, MediaType.CSV]))
@example(b'{"id":"A","amount":1}\n{"id":"..","amount":1}\n', MediaType.NDJSON)
@example(b'{"id":"\xed\xa0\x80","amount":1}\n{"id":"\xff","amount":1}', MediaType.NDJSON)
@example(b"", MediaType.CSV)
def test_batches_hold_what_is_read_line_by_line(
    content: bytes,
    media_type: MediaType,
) -> None:
    one_by_one = list(read_lines(io.BytesIO(content), media_type))
    at_once = read_at_once(content, media_type)
    assert [(line.number, line.order, str(line.problem)) for line in at_once] == [
        (line.number, line.order, str(line.problem)) for line in one_by_one
    ]


@given(st.text(max_size=3) | id_texts() | PARTS | st.text(" .x\x85\u2003", max_size=130))
def test_every_text_is_accepted_by_both_or_by_neither(text: str) -> None:
    line = json.dumps({"id": text, "amount": 0}, ensure_ascii=False).encode(errors="surrogatepass")
    (at_once,) = read_at_once(line, MediaType.NDJSON)
    (one_by_one,) = read_lines(io.BytesIO(line), MediaType.NDJSON)
    assert (at_once.order, str(at_once.problem)) == (one_by_one.order, str(one_by_one.problem))


@pytest.mark.parametrize("media_type", [MediaType.NDJSON, MediaType.CSV])
def test_batches_are_read_in_pieces_of_whole_lines(media_type: MediaType) -> None:
    orders = [Order(f"id-{number:06}", number) for number in range(60_000)]
    orders[40_000] = Order('quo"te', 1)
    lines = ndjson_of(orders)
    if media_type is MediaType.CSV:
        lines = b"id,amount\n" + csv_of_json_lines(lines)
    batches = list(read_batches(io.BytesIO(lines), media_type))
    assert len(batches) > 1
    assert [Order(*row) for batch in batches for row in batch.rows] == orders
    first = 1 if media_type is MediaType.NDJSON else 2
    numbers = [number for batch in batches for number in batch.numbers]
    assert numbers == list(range(first, first + len(orders)))


@pytest.mark.parametrize("media_type", [MediaType.NDJSON, MediaType.CSV])
def test_a_batch_with_a_line_of_any_length_takes_little_memory(media_type: MediaType) -> None:
    class Endless(io.RawIOBase):
        """A line of 64 MiB that is made while it is read."""

        left = 64 * 1024 * 1024

        def read(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            assert size <= BATCH_BYTES
            taken = min(size, self.left)
            self.left -= taken
            return b"x" * taken

        readline = read

    (batch,) = read_batches(Endless(), media_type)  # type: ignore[arg-type]  # it is read alone
    (line,) = batch.problems
    assert "longer than" in str(line.problem)
