"""The use cases over every store, and the other guarantees of a store."""

import pytest

from orders_core import (
    Order,
    OrderConflict,
    OrderId,
    OrderNotFound,
    OrderStore,
    Outcome,
    find,
    place,
    place_all,
    place_each,
)


def test_an_empty_store_passes_its_check(store: OrderStore) -> None:
    store.check()


def test_a_store_with_orders_passes_its_check(store: OrderStore) -> None:
    store.add([Order("a", 1)])
    store.check()
    assert store.totals().count == 1


def test_an_order_is_placed_and_found(store: OrderStore) -> None:
    assert place(store, Order("a", "12.3")) is Outcome.CREATED
    assert place(store, Order("a", "12.30")) is Outcome.REPLAYED
    assert find(store, OrderId("a")) == Order("a", "12.30")


def test_placing_another_amount_is_refused(store: OrderStore) -> None:
    place(store, Order("a", 1))
    with pytest.raises(OrderConflict):
        place(store, Order("a", 2))
    assert find(store, OrderId("a")) == Order("a", 1)


def test_an_order_that_was_not_placed_is_not_found(store: OrderStore) -> None:
    with pytest.raises(OrderNotFound):
        find(store, OrderId("a"))


def test_all_are_placed_or_none(store: OrderStore) -> None:
    place(store, Order("b", 1))
    with pytest.raises(OrderConflict) as caught:
        place_all(store, [Order("a", 1), Order("b", 2)])
    assert caught.value.positions == (1,)
    assert place_all(store, [Order("a", 1), Order("b", 1)]) == (
        Outcome.CREATED,
        Outcome.REPLAYED,
    )


def test_each_order_that_is_not_in_conflict_is_placed(store: OrderStore) -> None:
    outcomes = place_each(store, [Order("a", 1), Order("a", 2), Order("b", 1)])
    assert outcomes == (Outcome.CREATED, Outcome.CONFLICT, Outcome.CREATED)
