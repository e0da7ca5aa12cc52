"""A measured store does what the store does, and counts it."""

import re

import pytest
from attrs import define
from hypothesis import given
from hypothesis import strategies as st

from orders_core import (
    Order,
    OrderId,
    OrderStore,
    Outcome,
    Reason,
    StoreUnavailable,
    page,
    place_all,
    place_each,
)
from orders_memory import MemoryStore
from orders_prometheus import MeasuredStore, Metrics
from tests.strategies import orders


@define
class Away:
    """A store that is not there: whatever is asked, it fails for one reason."""

    reason: Reason
    closed: bool = False

    def __getattr__(self, name: str) -> object:
        def fail(*_arguments: object, **_options: object) -> None:
            raise StoreUnavailable(self.reason, f"{name} failed")

        return fail

    def close(self) -> None:
        self.closed = True


def measured(store: OrderStore | None = None) -> MeasuredStore:
    """Measure a store, an empty one unless given."""
    return MeasuredStore(MemoryStore() if store is None else store, Metrics())


def counted(store: MeasuredStore, name: str) -> dict[str, float]:
    """Give a metric's series by their one label."""
    pattern = re.compile(rf'^{name}{{\w+="([\w-]+)"}} (\S+)$', re.MULTILINE)
    found = pattern.findall(store.metrics.exposition().decode())
    return {label: float(value) for label, value in found if float(value)}


def outcomes(store: MeasuredStore) -> dict[str, float]:
    return counted(store, "orders_store_orders_total")


def operations(store: MeasuredStore) -> dict[str, float]:
    return counted(store, "orders_store_operation_duration_seconds_count")


@given(st.lists(orders(st.sampled_from("abc").map(OrderId)), max_size=6), st.booleans())
def test_it_answers_as_the_store_does(placed: list[Order], atomic: bool) -> None:  # noqa: FBT001 - drawn
    plain, store = MemoryStore(), measured()
    assert store.add(placed, atomic=atomic) == plain.add(placed, atomic=atomic)
    ids = [OrderId(each) for each in "abcd"]
    assert store.get(ids) == plain.get(ids)
    assert store.page(2) == plain.page(2)
    assert store.page(2, after=ids[0]) == plain.page(2, after=ids[0])
    assert store.page_json(2, after=ids[0]) == plain.page_json(2, after=ids[0])
    assert store.page(2, before=ids[2]) == plain.page(2, before=ids[2])
    assert store.totals() == plain.totals()


def test_it_counts_each_outcome() -> None:
    store = measured()
    place_each(store, [Order("A", 1), Order("B", 1), Order("A", 1), Order("A", 2)])
    assert outcomes(store) == {"created": 2, "replayed": 1, "conflict": 1}


def test_of_an_atomic_batch_with_a_conflict_only_the_conflicts_happened() -> None:
    store = measured()
    place_each(store, [Order("A", 1)])
    with pytest.raises(Exception, match="another amount"):
        place_all(store, [Order("B", 1), Order("A", 1), Order("A", 2), Order("B", 3)])
    assert outcomes(store) == {"created": 1, "conflict": 2}


def test_an_atomic_batch_without_a_conflict_is_counted_whole() -> None:
    store = measured()
    place_all(store, [Order("A", 1), Order("B", 1), Order("A", 1)])
    assert outcomes(store) == {"created": 2, "replayed": 1}


def test_loaded_orders_are_created_unless_they_were_refused() -> None:
    store = measured()
    assert store.load([("A", "1"), ("B", "1")])
    assert not store.load([("C", "1"), ("B", "1")])
    assert outcomes(store) == {"created": 2}
    assert operations(store) == {"load": 2}


def test_it_counts_each_operation() -> None:
    store = measured()
    store.add([Order("A", 1)])
    store.get([OrderId("A")])
    page(store, 1)
    store.totals()
    store.check()
    store.check()
    assert operations(store) == {"add": 1, "get": 1, "page": 1, "totals": 1, "check": 2}


@pytest.mark.parametrize("reason", Reason)
def test_a_store_that_is_away_is_counted_by_its_reason(reason: Reason) -> None:
    store = measured(Away(reason))  # type: ignore[arg-type]  # it answers every method
    calls = (
        lambda: store.add([Order("A", 1)]),
        lambda: store.get([OrderId("A")]),
        lambda: store.page(1),
        lambda: store.page_json(1),
        store.totals,
        store.check,
    )
    for call in calls:
        with pytest.raises(StoreUnavailable):
            call()
    assert counted(store, "orders_store_unavailable_total") == {reason.value: 6}
    assert operations(store) == {"add": 1, "get": 1, "page": 2, "totals": 1, "check": 1}
    assert outcomes(store) == {}


def test_closing_closes_the_store() -> None:
    away = Away(Reason.FAILED)
    measured(away).close()  # type: ignore[arg-type]  # it answers every method
    assert away.closed


def test_the_counted_outcomes_are_all_that_there_are() -> None:
    store = measured()
    place_each(store, [Order("A", 1), Order("A", 1), Order("A", 2)])
    assert set(outcomes(store)) == {outcome.value for outcome in Outcome}
