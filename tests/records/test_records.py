"""Orders as JSON, NDJSON and CSV: what is written reads as what it was."""

import csv
import io
import json
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from orders_core import JsonPage, Order, json_lines, order_to_json
from orders_records import (
    CSV_HEADER,
    MediaType,
    csv_of_json_lines,
    order_from_json,
)
from tests.http.strategies import awkward_orders
from tests.records.reading import read

SOME_ORDERS = st.lists(awkward_orders(), max_size=6)


def ndjson_of(orders: list[Order]) -> bytes:
    return json_lines(order.row for order in orders)


def csv_of(orders: list[Order]) -> bytes:
    return f"{CSV_HEADER}\r\n".encode() + csv_of_json_lines(ndjson_of(orders))


def array_of(orders: list[Order]) -> bytes:
    return JsonPage(ndjson_of(orders), has_next=False).array


@given(awkward_orders())
def test_an_order_survives_json(order: Order) -> None:
    assert order_from_json(order_to_json(order)) == order


@given(SOME_ORDERS)
def test_orders_survive_ndjson(orders: list[Order]) -> None:
    found = read(ndjson_of(orders), MediaType.NDJSON)
    assert found.orders == dict(enumerate(orders, 1))


@given(SOME_ORDERS)
def test_orders_survive_csv(orders: list[Order]) -> None:
    found = read(csv_of(orders), MediaType.CSV)
    assert found.orders == dict(enumerate(orders, 2))


@given(SOME_ORDERS)
def test_orders_survive_a_json_array(orders: list[Order]) -> None:
    found = read(array_of(orders), MediaType.JSON)
    assert (found.in_order, found.refused) == (orders, [])


@given(SOME_ORDERS)
def test_other_readers_read_the_same(orders: list[Order]) -> None:
    expected = [{"id": order.id.value, "amount": order.amount.value} for order in orders]
    assert json.loads(array_of(orders), parse_float=Decimal) == expected
    lines = ndjson_of(orders).decode().split("\n")
    assert [json.loads(line, parse_float=Decimal) for line in lines[:-1]] == expected
    rows = csv.DictReader(io.StringIO(csv_of(orders).decode(), newline=""))
    assert [{"id": row["id"], "amount": Decimal(row["amount"])} for row in rows] == expected
