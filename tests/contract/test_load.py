"""Storing many orders that are all new, or none."""

from functools import partial

import pytest

from orders_core import Order, OrderStore, Outcome, Totals, scan
from tests.contract.test_ids import ODD
from tests.contract.threads import at_once

ROWS = [("a", "1"), ("b", "2.5"), ("c", "0.07"), ("d", "9999999999999.99")]
ORDERS = [Order(*row) for row in ROWS]


def stored(store: OrderStore) -> list[Order]:
    return [order for batch in scan(store) for order in batch]


def test_orders_that_are_all_new_are_stored(store: OrderStore) -> None:
    assert store.load(ROWS[::-1])
    assert stored(store) == ORDERS
    assert list(store.add(ORDERS)) == [Outcome.REPLAYED] * len(ORDERS)
    assert store.totals().count == len(ORDERS)


def test_loading_no_orders_succeeds(store: OrderStore) -> None:
    assert store.load([])
    assert stored(store) == []


@pytest.mark.parametrize("amount", ["1", "1.00", "2"])
@pytest.mark.parametrize("position", [0, 2, 4])
def test_one_stored_order_makes_the_load_store_nothing(
    store: OrderStore,
    position: int,
    amount: str,
) -> None:
    store.add([Order("x", 1)])
    assert not store.load([*ROWS[:position], ("x", amount), *ROWS[position:]])
    assert stored(store) == [Order("x", 1)]
    assert store.totals() == Totals(1, Order("x", 1).amount.value)
    assert store.load(ROWS)


@pytest.mark.parametrize("amount", ["1", "2"])
def test_an_id_that_occurs_twice_makes_the_load_store_nothing(
    store: OrderStore, amount: str
) -> None:
    assert not store.load([*ROWS, ("a", amount)])
    assert stored(store) == []


def test_odd_ids_are_loaded_as_add_would_store_them(store: OrderStore) -> None:
    assert store.load([(text, "0.10") for text in ODD])
    assert list(store.add([Order(text, "0.1") for text in ODD])) == [Outcome.REPLAYED] * len(ODD)


def test_one_of_several_concurrent_loads_of_the_same_orders_stores_them(store: OrderStore) -> None:
    for number in range(10):
        rows = [(f"{number}-{each:03}", "1") for each in range(200)]
        loads = [partial(store.load, rows), partial(store.load, rows[::-1])]
        assert sorted(at_once(loads)) == [False, True]
    assert store.totals() == Totals(2_000, Order("x", 2_000).amount.value)
