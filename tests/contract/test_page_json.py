"""Pages that a store writes as JSON: every store writes the same bytes."""

import json
from collections.abc import Callable, Sequence
from contextlib import closing

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from orders_core import (
    MAX_PAGE,
    Order,
    OrderId,
    OrderStore,
    PageQuery,
    order_to_json,
    page,
    page_json,
    scan,
    scan_json,
)
from tests.contract.data import Data
from tests.strategies import orders

AWKWARD = [
    *('"', "\\", '\\"', "/", "</script>", "a\u2028b", "a\u2029b", "a\u00a0b", "a\ufeffb", "\ufffe"),
    *("\\n", "\\u0041", "'", "{", "}", "%s", ":id", "$1", "null", "\U0001f600", "\U0010ffff"),
    *("\ue000", "a\u200db", "e\u0301", "b b", "," * 128, "\\" * 128, '"' * 128, "\U0001f600" * 128),
]


def read(store: OrderStore, limit: int, after: OrderId | None = None) -> bytes:
    """Read one page."""
    (lines,) = store.pages_json([PageQuery(limit, after)])
    return lines


def lines_of(placed: Sequence[Order]) -> bytes:
    """Write orders with the standard library, one per line."""
    return b"".join(
        b'{"id":%s,"amount":%s}\n'
        % (json.dumps(each.id.value, ensure_ascii=False).encode(), str(each.amount).encode())
        for each in placed
    )


def test_an_empty_store_has_an_empty_page(store: OrderStore) -> None:
    assert read(store, 10) == read(store, 10, OrderId("a")) == b""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(placed=st.lists(orders(), max_size=12, unique_by=lambda order: order.id))
@example(placed=[Order(text, 1) for text in AWKWARD])
@example(
    placed=[Order(f"{n}", amount) for n, amount in enumerate(["0", "0.1", "9999999999999.99"])]
)
def test_every_order_is_written_like_the_standard_library_writes_it(
    new_data: Callable[[], Data],
    placed: list[Order],
) -> None:
    by_id = sorted(placed, key=lambda order: order.id.value)
    with closing(new_data().open()) as store:
        store.add(placed)
        assert read(store, 100) == lines_of(by_id)
        assert read(store, 100) == b"".join(order_to_json(each) + b"\n" for each in by_id)
        for position, order in enumerate(by_id):
            assert read(store, 2, order.id) == lines_of(by_id[position + 1 :][:2])


@pytest.mark.parametrize("after", [None, "A", "a", "b", "bb", "e", "z"])
@pytest.mark.parametrize("limit", [1, 2, 4, 5, 6])
def test_a_page_of_json_has_the_orders_of_the_page(
    store: OrderStore,
    limit: int,
    after: str | None,
) -> None:
    store.add([Order(letter, "12.3") for letter in "dbeac"])
    cursor = None if after is None else OrderId(after)
    found, written = page(store, limit, after=cursor), page_json(store, limit, after=cursor)
    assert read(store, limit, cursor) == lines_of(found.orders)
    assert (written.lines, written.has_next) == (lines_of(found.orders), found.has_next)
    assert json.loads(written.array) == [
        {"id": each.id.value, "amount": 12.3} for each in found.orders
    ]
    if found.orders:
        assert written.last == found.orders[-1].id


def test_many_pages_are_read_at_once_in_the_order_asked(store: OrderStore) -> None:
    store.add([Order(letter, "12.3") for letter in "dbeac"])
    queries = [PageQuery(limit, OrderId("b")) for limit in (3, 1)] + [PageQuery(9), PageQuery(1)]
    assert list(store.pages_json(queries)) == [
        read(store, each.limit, each.after) for each in queries
    ]
    assert list(store.pages_json([])) == []


def test_the_largest_page_is_written_whole(store: OrderStore) -> None:
    placed = [Order(f"{number:05}", number) for number in range(MAX_PAGE + 1)]
    store.add(placed)
    written = page_json(store, MAX_PAGE)
    assert (written.lines, written.has_next) == (lines_of(placed[:-1]), True)


@pytest.mark.parametrize("batch", [1, 2, 5, 6, 7])
def test_a_scan_writes_every_order_once(store: OrderStore, batch: int) -> None:
    store.add([Order(letter, 1) for letter in "fbdace"])
    parts = list(scan_json(store, batch))
    assert parts == [lines_of(part) for part in scan(store, batch)]
    assert b"".join(parts) == lines_of([Order(letter, 1) for letter in "abcdef"])
