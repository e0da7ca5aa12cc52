"""Orders as JSON, NDJSON and CSV: what is written reads as what it was."""

import csv
import io
import json
import tracemalloc
from decimal import Decimal
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders_core import InvalidOrder, JsonPage, Order, json_lines, order_to_json
from orders_http.records import (
    CSV_HEADER,
    MalformedRecord,
    MediaType,
    order_from_json,
    read_lines,
    write_csv,
)
from tests.http.strategies import awkward_orders

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
    content = f"{CSV_HEADER}\r\n".encode() + write_csv(orders)
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
    table = f"{CSV_HEADER}\r\n" + write_csv(orders).decode()
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
