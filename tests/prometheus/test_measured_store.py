"""A measured store does what the store does, and counts it."""

from collections.abc import Sequence

import pytest
from attrs import define
from hypothesis import given
from hypothesis import strategies as st

from orders_core import (
    Order,
    OrderId,
    OrderStore,
    Outcome,
    PageQuery,
    Reason,
    StoreUnavailable,
    page,
    place_all,
    place_each,
)
from orders_memory import MemoryStore
from orders_postgres import PostgresStore
from orders_prometheus import MeasuredStore, SharedMetrics
from tests.prometheus.exposition import samples, value
from tests.strategies import orders


@define
class Away:
    """A store that is not there: whatever is asked, it fails for one reason."""

    reason: Reason
    closed: bool = False
    breaker_open: bool = True

    def __getattr__(self, name: str) -> object:
        def fail(*_arguments: object, **_options: object) -> None:
            raise StoreUnavailable(self.reason, f"{name} failed")

        return fail

    def close(self) -> None:
        self.closed = True


def measured(store: OrderStore | None = None) -> tuple[MeasuredStore, SharedMetrics]:
    """Measure a store, an empty one unless given; give the figures too."""
    shared = SharedMetrics(1)
    return MeasuredStore(MemoryStore() if store is None else store, shared.of(0)), shared


def counted(shared: SharedMetrics, name: str) -> dict[str, float]:
    """Give a metric's series by their one label, but for those at 0."""
    found = samples(shared.exposition().decode(), name)
    return {label: number for ((_, label),), number in found.items() if number}


def outcomes(shared: SharedMetrics) -> dict[str, float]:
    return counted(shared, "orders_store_orders_total")


def operations(shared: SharedMetrics) -> dict[str, float]:
    return counted(shared, "orders_store_operation_duration_seconds_count")


@given(st.lists(orders(st.sampled_from("abc").map(OrderId)), max_size=6), st.booleans())
def test_it_answers_as_the_store_does(placed: list[Order], atomic: bool) -> None:  # noqa: FBT001 - drawn
    plain, (store, _) = MemoryStore(), measured()
    assert store.add(placed, atomic=atomic) == plain.add(placed, atomic=atomic)
    ids = [OrderId(each) for each in "abcd"]
    assert store.get(ids) == plain.get(ids)
    assert store.page(2) == plain.page(2)
    assert store.page(2, after=ids[0]) == plain.page(2, after=ids[0])
    assert store.pages_json([PageQuery(2, ids[0])]) == plain.pages_json([PageQuery(2, ids[0])])
    assert store.page(2, before=ids[2]) == plain.page(2, before=ids[2])
    assert store.totals() == plain.totals()


def test_it_counts_each_outcome() -> None:
    store, shared = measured()
    place_each(store, [Order("A", 1), Order("B", 1), Order("A", 1), Order("A", 2)])
    assert outcomes(shared) == {"created": 2, "replayed": 1, "conflict": 1}


def test_of_an_atomic_batch_with_a_conflict_only_the_conflicts_happened() -> None:
    store, shared = measured()
    place_each(store, [Order("A", 1)])
    with pytest.raises(Exception, match="another amount"):
        place_all(store, [Order("B", 1), Order("A", 1), Order("A", 2), Order("B", 3)])
    assert outcomes(shared) == {"created": 1, "conflict": 2}


def test_an_atomic_batch_without_a_conflict_is_counted_whole() -> None:
    store, shared = measured()
    place_all(store, [Order("A", 1), Order("B", 1), Order("A", 1)])
    assert outcomes(shared) == {"created": 2, "replayed": 1}


def test_loaded_orders_are_created_unless_they_were_refused() -> None:
    store, shared = measured()
    assert store.load([("A", "1"), ("B", "1")])
    assert not store.load([("C", "1"), ("B", "1")])
    assert outcomes(shared) == {"created": 2}
    assert operations(shared) == {"add": 2}


def test_a_caller_that_loads_does_something_else_meanwhile(postgres_store: PostgresStore) -> None:
    store, _ = measured(postgres_store)
    calls: list[bool] = []
    assert store.load([("A", "1")], meanwhile=lambda: calls.append(True))
    assert calls == [True]


def test_it_counts_each_operation() -> None:
    store, shared = measured()
    store.add([Order("A", 1)])
    store.get([OrderId("A")])
    page(store, 1)
    store.totals()
    store.check()
    store.check()
    assert operations(shared) == {"add": 1, "get": 1, "page": 1, "totals": 1, "check": 2}


@pytest.mark.parametrize("reason", Reason)
def test_a_store_that_is_away_is_counted_by_its_reason(reason: Reason) -> None:
    store, shared = measured(Away(reason))  # type: ignore[arg-type]  # it answers every method
    calls = (
        lambda: store.add([Order("A", 1)]),
        lambda: store.get([OrderId("A")]),
        lambda: store.page(1),
        lambda: store.pages_json([PageQuery(1)]),
        lambda: store.load([("A", "1")]),
        store.totals,
        store.check,
    )
    for call in calls:
        with pytest.raises(StoreUnavailable):
            call()
    assert counted(shared, "orders_store_unavailable_total") == {reason.value: 7}
    assert operations(shared) == {"add": 2, "get": 1, "page": 2, "totals": 1, "check": 1}
    assert outcomes(shared) == {}


def test_closing_closes_the_store() -> None:
    away = Away(Reason.FAILED)
    measured(away)[0].close()  # type: ignore[arg-type]  # it answers every method
    assert away.closed


def test_renewing_renews_the_store() -> None:
    away = Away(Reason.FAILED)
    with pytest.raises(StoreUnavailable, match="renew failed"):
        measured(away)[0].renew()  # type: ignore[arg-type]  # it answers every method


def test_the_counted_outcomes_are_all_that_there_are() -> None:
    store, shared = measured()
    place_each(store, [Order("A", 1), Order("A", 1), Order("A", 2)])
    assert set(outcomes(shared)) == {outcome.value for outcome in Outcome}


class GuardedStore(MemoryStore):
    """A store with a breaker."""

    breaker_open = False


def test_a_breaker_that_opens_and_closes_is_told() -> None:
    guarded = GuardedStore()
    store, shared = measured(guarded)
    for is_open in (False, True, False):
        guarded.breaker_open = is_open
        store.check()
        assert value(shared, "orders_store_breaker_open") == is_open


@define
class Done:
    """Work that has ended."""

    outcomes: tuple[Outcome, ...]
    must_wait: bool = False

    def fileno(self) -> int:
        return 0

    def proceed(self) -> bool:
        return True

    def outcome(self) -> tuple[Outcome, ...]:
        if self.must_wait:
            raise StoreUnavailable(Reason.UNREACHABLE, "on purpose")
        return self.outcomes


class Beginning(MemoryStore):
    """A store that begins to add, and looks up only while its caller waits."""

    must_wait = False

    def begin_add(self, orders: Sequence[Order]) -> Done:
        return Done((Outcome.CREATED,) * len(orders), self.must_wait)

    def begin_get(self, ids: Sequence[OrderId]) -> None:
        assert ids

    def begin_pages_json(self, queries: Sequence[PageQuery]) -> None:
        assert queries


def test_work_that_is_begun_is_measured_when_it_has_ended() -> None:
    store, shared = measured(Beginning())
    pending = store.begin_add([Order("A", 1), Order("B", 1)])
    assert pending is not None
    assert (pending.fileno(), pending.must_wait, pending.proceed()) == (0, False, True)
    assert operations(shared) == {}
    assert pending.outcome() == (Outcome.CREATED, Outcome.CREATED)
    assert operations(shared) == {"add": 1}
    assert outcomes(shared) == {"created": 2}


def test_work_that_is_begun_and_fails_is_counted() -> None:
    beginning = Beginning()
    beginning.must_wait = True
    store, shared = measured(beginning)
    pending = store.begin_add([Order("A", 1)])
    assert pending is not None
    with pytest.raises(StoreUnavailable):
        pending.outcome()
    assert operations(shared) == {"add": 1}
    assert outcomes(shared) == {}


def test_what_a_store_cannot_begin_a_measured_one_cannot() -> None:
    assert measured(Beginning())[0].begin_get([OrderId("A")]) is None
    assert measured()[0].begin_add([Order("A", 1)]) is None
    assert measured()[0].begin_get([OrderId("A")]) is None
    for store in (measured(Beginning())[0], measured()[0]):
        assert store.begin_pages_json([PageQuery(1)]) is None


def test_reading_that_is_begun_is_measured() -> None:
    class Reading(Beginning):
        def begin_get(self, ids: Sequence[OrderId]) -> Done:  # type: ignore[override]
            return Done((), must_wait=not ids)

        def begin_pages_json(self, queries: Sequence[PageQuery]) -> Done:  # type: ignore[override]
            return Done((), must_wait=not queries)

    store, shared = measured(Reading())
    for pending in (store.begin_get([OrderId("A")]), store.begin_pages_json([PageQuery(1)])):
        assert pending is not None
        assert list(pending.outcome()) == []
    assert operations(shared) == {"get": 1, "page": 1}
