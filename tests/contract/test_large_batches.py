"""Batches of ten thousand."""

from orders_core import Order, OrderId, OrderStore, Outcome

SIZE = 10_000
ORDERS = [Order(f"id-{number:05}", number) for number in range(SIZE)]


def test_ten_thousand_orders_are_created_and_replayed(store: OrderStore) -> None:
    assert list(store.add(ORDERS)) == [Outcome.CREATED] * SIZE
    assert list(store.add(ORDERS)) == [Outcome.REPLAYED] * SIZE
    assert list(store.page(SIZE + 1)) == ORDERS


def test_ten_thousand_orders_are_stored_by_an_atomic_batch(store: OrderStore) -> None:
    assert list(store.add(ORDERS, atomic=True)) == [Outcome.CREATED] * SIZE
    assert store.totals().count == SIZE


def test_one_conflict_refuses_ten_thousand_orders(store: OrderStore) -> None:
    store.add([Order(ORDERS[-1].id, "0.99")])
    outcomes = list(store.add(ORDERS, atomic=True))
    assert outcomes == [Outcome.CREATED] * (SIZE - 1) + [Outcome.CONFLICT]
    assert store.totals().count == 1


def test_a_batch_in_descending_order_is_stored(store: OrderStore) -> None:
    assert list(store.add(ORDERS[::-1])) == [Outcome.CREATED] * SIZE
    assert list(store.page(SIZE + 1)) == ORDERS


def test_a_batch_of_which_every_second_order_is_stored_is_judged_right(store: OrderStore) -> None:
    store.add(ORDERS[::2])
    assert list(store.add(ORDERS)) == [Outcome.REPLAYED, Outcome.CREATED] * (SIZE // 2)


def test_ten_thousand_times_the_same_id_is_one_order(store: OrderStore) -> None:
    outcomes = list(store.add([Order("a", number) for number in range(SIZE)]))
    assert outcomes == [Outcome.CREATED] + [Outcome.CONFLICT] * (SIZE - 1)
    assert list(store.get([OrderId("a")])) == [Order("a", 0)]


def test_ten_thousand_of_the_longest_ids_are_stored(store: OrderStore) -> None:
    orders = [Order("\U0001f600" * 123 + f"{number:05}", number) for number in range(SIZE)]
    assert list(store.add(orders)) == [Outcome.CREATED] * SIZE
    assert list(store.get([order.id for order in orders])) == orders
