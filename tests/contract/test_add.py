"""Adding orders: what is stored, and what each outcome says."""

import pytest

from orders_core import MAX_CENTS, Amount, Order, OrderId, OrderStore, Outcome, scan

CREATED, REPLAYED, CONFLICT = Outcome.CREATED, Outcome.REPLAYED, Outcome.CONFLICT


def stored(store: OrderStore) -> list[Order]:
    return [order for batch in scan(store) for order in batch]


def add(store: OrderStore, *orders: Order, atomic: bool = False) -> list[Outcome]:
    return list(store.add(orders, atomic=atomic))


def test_a_new_order_is_created(store: OrderStore) -> None:
    assert add(store, Order("a", "12.30")) == [CREATED]
    assert stored(store) == [Order("a", "12.30")]


def test_the_same_order_again_is_replayed(store: OrderStore) -> None:
    add(store, Order("a", "12.30"))
    assert add(store, Order("a", "12.30")) == [REPLAYED]
    assert add(store, Order("a", "12.30")) == [REPLAYED]
    assert stored(store) == [Order("a", "12.30")]


@pytest.mark.parametrize("written", ["12.3", "12.300", "1230e-2", "1.23e1"])
def test_the_same_amount_written_differently_is_replayed(store: OrderStore, written: str) -> None:
    add(store, Order("a", "12.30"))
    assert add(store, Order("a", written)) == [REPLAYED]


@pytest.mark.parametrize("amount", ["12.31", "12.29", "0", "123.0", "9999999999999.99"])
def test_the_same_id_with_another_amount_is_a_conflict(store: OrderStore, amount: str) -> None:
    add(store, Order("a", "12.30"))
    assert add(store, Order("a", amount)) == [CONFLICT]


def test_a_conflict_changes_nothing(store: OrderStore) -> None:
    add(store, Order("a", 1))
    add(store, Order("a", 2))
    assert stored(store) == [Order("a", 1)]
    assert add(store, Order("a", 2), Order("a", 1)) == [CONFLICT, REPLAYED]


def test_the_outcomes_are_in_the_order_given(store: OrderStore) -> None:
    add(store, Order("b", 1), Order("d", 1))
    outcomes = add(store, Order("e", 1), Order("d", 2), Order("c", 1), Order("b", 1))
    assert outcomes == [CREATED, CONFLICT, CREATED, REPLAYED]


def test_a_batch_stores_what_is_not_in_conflict(store: OrderStore) -> None:
    add(store, Order("b", 1))
    add(store, Order("a", 2), Order("b", 2), Order("c", 2))
    assert stored(store) == [Order("a", 2), Order("b", 1), Order("c", 2)]


@pytest.mark.parametrize("atomic", [False, True])
def test_an_empty_batch_does_nothing(store: OrderStore, *, atomic: bool) -> None:
    add(store, Order("a", 1))
    assert add(store, atomic=atomic) == []
    assert stored(store) == [Order("a", 1)]


def test_the_second_of_two_equal_orders_in_a_batch_is_replayed(store: OrderStore) -> None:
    assert add(store, Order("a", 1), Order("a", 1)) == [CREATED, REPLAYED]
    assert stored(store) == [Order("a", 1)]


def test_the_first_of_two_amounts_for_an_id_in_a_batch_is_stored(store: OrderStore) -> None:
    assert add(store, Order("a", 2), Order("a", 1)) == [CREATED, CONFLICT]
    assert stored(store) == [Order("a", 2)]


def test_every_order_of_one_id_in_one_batch_has_its_outcome(store: OrderStore) -> None:
    orders = [Order("a", 1), Order("b", 1), Order("a", 2), Order("a", 1), Order("a", 2)]
    assert add(store, *orders) == [CREATED, CREATED, CONFLICT, REPLAYED, CONFLICT]


def test_duplicates_of_a_stored_order_are_all_replayed(store: OrderStore) -> None:
    add(store, Order("a", 1))
    assert add(store, Order("a", 1), Order("a", 1)) == [REPLAYED, REPLAYED]


def test_the_stored_order_counts_more_than_the_first_of_a_batch(store: OrderStore) -> None:
    add(store, Order("a", 1))
    assert add(store, Order("a", 2), Order("a", 1), Order("a", 2)) == [
        CONFLICT,
        REPLAYED,
        CONFLICT,
    ]
    assert stored(store) == [Order("a", 1)]


def test_an_atomic_batch_without_a_conflict_is_stored_whole(store: OrderStore) -> None:
    assert add(store, Order("b", 1), Order("a", 2), atomic=True) == [CREATED, CREATED]
    assert stored(store) == [Order("a", 2), Order("b", 1)]


def test_an_atomic_batch_of_one_is_stored(store: OrderStore) -> None:
    assert add(store, Order("a", 1), atomic=True) == [CREATED]
    assert add(store, Order("a", 1), atomic=True) == [REPLAYED]
    assert add(store, Order("a", 2), atomic=True) == [CONFLICT]
    assert stored(store) == [Order("a", 1)]


def test_an_atomic_batch_with_a_replay_stores_the_rest(store: OrderStore) -> None:
    add(store, Order("b", 1))
    outcomes = add(store, Order("a", 1), Order("b", 1), Order("a", 1), atomic=True)
    assert outcomes == [CREATED, REPLAYED, REPLAYED]
    assert stored(store) == [Order("a", 1), Order("b", 1)]


def test_an_atomic_batch_of_replays_changes_nothing(store: OrderStore) -> None:
    orders = [Order("a", 1), Order("b", 1)]
    add(store, *orders)
    assert add(store, *orders, atomic=True) == [REPLAYED, REPLAYED]
    assert stored(store) == orders


@pytest.mark.parametrize("position", [0, 1, 2])
def test_an_atomic_batch_in_conflict_with_a_stored_order_stores_nothing(
    store: OrderStore,
    position: int,
) -> None:
    add(store, Order("x", 1))
    orders = [Order("a", 1), Order("z", 1)]
    orders.insert(position, Order("x", 2))
    add(store, *orders, atomic=True)
    assert stored(store) == [Order("x", 1)]


def test_an_atomic_batch_in_conflict_with_itself_stores_nothing(store: OrderStore) -> None:
    outcomes = add(store, Order("a", 1), Order("b", 1), Order("a", 2), atomic=True)
    assert outcomes == [CREATED, CREATED, CONFLICT]
    assert stored(store) == []


def test_the_outcomes_of_a_refused_atomic_batch_say_what_they_would_have_been(
    store: OrderStore,
) -> None:
    add(store, Order("b", 1), Order("c", 1))
    outcomes = add(store, Order("a", 1), Order("b", 1), Order("c", 2), atomic=True)
    assert outcomes == [CREATED, REPLAYED, CONFLICT]
    assert store.get([OrderId("a")]) == [None]


def test_a_refused_atomic_batch_can_be_corrected_and_added_again(store: OrderStore) -> None:
    add(store, Order("b", 1))
    add(store, Order("a", 1), Order("b", 2), atomic=True)
    assert add(store, Order("a", 1), Order("b", 1), atomic=True) == [CREATED, REPLAYED]


def test_the_store_still_works_after_a_refused_atomic_batch(store: OrderStore) -> None:
    add(store, Order("a", 1))
    add(store, Order("b", 1), Order("a", 2), atomic=True)
    assert add(store, Order("b", 3)) == [CREATED]
    assert stored(store) == [Order("a", 1), Order("b", 3)]


@pytest.mark.parametrize("cents", [0, 1, 99, 100, 2**31, 2**32 + 1, MAX_CENTS])
def test_amounts_at_the_edges_are_kept_exactly(store: OrderStore, cents: int) -> None:
    order = Order("a", Amount.from_cents(cents))
    assert add(store, order) == [CREATED]
    assert add(store, order) == [REPLAYED]
    assert stored(store) == [order]


def test_the_smallest_difference_between_the_largest_amounts_is_seen(store: OrderStore) -> None:
    add(store, Order("a", "9999999999999.99"))
    assert add(store, Order("a", "9999999999999.98")) == [CONFLICT]


def test_adding_does_not_change_the_batch(store: OrderStore) -> None:
    batch = [Order("b", 1), Order("a", 1), Order("b", 2)]
    store.add(batch)
    batch.clear()
    assert stored(store) == [Order("a", 1), Order("b", 1)]
