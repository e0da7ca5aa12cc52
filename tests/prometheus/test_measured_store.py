"""A measured store behaves like its store, and counts the operations."""

from collections.abc import Sequence

import pytest
from attrs import define
from hypothesis import given
from hypothesis import strategies as st

from orders_core import (
    AddOrders,
    Call,
    GetOrders,
    Order,
    OrderId,
    OrderStore,
    Outcome,
    PageQuery,
    ReadPages,
    Reason,
    StoreUnavailable,
    Totals,
    page,
    place_all,
    place_each,
)
from orders_memory import MemoryStore
from orders_prometheus import MeasuredStore, SharedMetrics
from tests.prometheus.exposition import samples, value
from tests.strategies import orders


@define
class Away:
    """An unavailable store: every operation fails for one reason."""

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
    """Measure a store, by default an empty one; return the metrics too."""
    shared = SharedMetrics(1)
    return MeasuredStore(MemoryStore() if store is None else store, shared.of(0)), shared


def counted(shared: SharedMetrics, name: str) -> dict[str, float]:
    """Return a metric's series by their one label, except those at 0."""
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


def test_only_the_conflicts_of_a_refused_atomic_batch_are_counted() -> None:
    store, shared = measured()
    place_each(store, [Order("A", 1)])
    with pytest.raises(Exception, match="another amount"):
        place_all(store, [Order("B", 1), Order("A", 1), Order("A", 2), Order("B", 3)])
    assert outcomes(shared) == {"created": 1, "conflict": 2}


def test_an_atomic_batch_without_a_conflict_is_counted_completely() -> None:
    store, shared = measured()
    place_all(store, [Order("A", 1), Order("B", 1), Order("A", 1)])
    assert outcomes(shared) == {"created": 2, "replayed": 1}


def test_loaded_orders_are_counted_as_created_unless_refused() -> None:
    store, shared = measured()
    assert store.load([("A", "1"), ("B", "1")])
    assert not store.load([("C", "1"), ("B", "1")])
    assert outcomes(shared) == {"created": 2}
    assert operations(shared) == {"add": 2}


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
def test_a_failure_of_the_store_is_counted_by_its_reason(reason: Reason) -> None:
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


def test_every_outcome_is_counted() -> None:
    store, shared = measured()
    place_each(store, [Order("A", 1), Order("A", 1), Order("A", 2)])
    assert set(outcomes(shared)) == {outcome.value for outcome in Outcome}


class GuardedStore(MemoryStore):
    """A store with a breaker."""

    breaker_open = False


def test_an_opening_and_closing_breaker_is_exposed() -> None:
    guarded = GuardedStore()
    store, shared = measured(guarded)
    for is_open in (False, True, False):
        guarded.breaker_open = is_open
        store.check()
        assert value(shared, "orders_store_breaker_open") == is_open


@define
class Done:
    """A call that has ended; without results, its connection was lost."""

    given: Sequence[object] | StoreUnavailable | None

    def fileno(self) -> int:
        return 0

    def proceed(self) -> bool:
        return True

    def results(self) -> Sequence[object] | None:
        if isinstance(self.given, StoreUnavailable):
            raise self.given
        return self.given


class Beginning(MemoryStore):
    """A store that begins calls, which end as the test says."""

    def __init__(self, given: Sequence[object] | StoreUnavailable | None) -> None:
        super().__init__()
        self.given = given

    def begin(self, call: Call) -> Done:
        assert call.items
        return Done(self.given)


ADD = AddOrders([Order("A", 1), Order("B", 1)])
CALLS = (ADD, GetOrders([OrderId("A")]), ReadPages([PageQuery(1)]))


def test_a_begun_call_is_measured_when_it_ends() -> None:
    store, shared = measured(Beginning((Outcome.CREATED, Outcome.CREATED)))
    pending = store.begin(ADD)
    assert pending is not None
    assert (pending.fileno(), pending.proceed()) == (0, True)
    assert operations(shared) == {}
    assert pending.results() == (Outcome.CREATED, Outcome.CREATED)
    assert operations(shared) == {"add": 1}
    assert outcomes(shared) == {"created": 2}


def test_a_begun_call_that_fails_is_counted() -> None:
    store, shared = measured(Beginning(StoreUnavailable(Reason.UNREACHABLE, "on purpose")))
    pending = store.begin(ADD)
    assert pending is not None
    with pytest.raises(StoreUnavailable):
        pending.results()
    assert operations(shared) == {"add": 1}
    assert outcomes(shared) == {}


@define
class Observer:
    """Notes what an observer of outages hears."""

    heard: list[str]

    def failed(self, operation: str, _error: StoreUnavailable) -> None:
        self.heard.append(f"{operation} failed")

    def succeeded(self, _seconds: float) -> None:
        self.heard.append("succeeded")


def test_a_begun_call_whose_connection_is_lost_is_measured_when_it_is_made_again() -> None:
    shared = SharedMetrics(1)
    heard: list[str] = []

    store = MeasuredStore(Beginning(None), shared.of(0), Observer(heard))
    pending = store.begin(ADD)
    assert pending is not None
    assert pending.results() is None
    assert (operations(shared), heard) == ({}, [])
    assert list(ADD.run(store)) == [Outcome.CREATED, Outcome.CREATED]
    assert (operations(shared), heard) == ({"add": 1}, ["succeeded"])


def test_a_defect_of_a_store_is_no_outage_and_no_success() -> None:
    class Defective(MemoryStore):
        def totals(self) -> Totals:
            raise ZeroDivisionError

    shared = SharedMetrics(1)
    heard: list[str] = []
    store = MeasuredStore(Defective(), shared.of(0), Observer(heard))
    with pytest.raises(ZeroDivisionError):
        store.totals()
    assert (operations(shared), heard) == ({"totals": 1}, [])


def test_an_outage_is_reported_with_the_operation_that_failed() -> None:
    heard: list[str] = []
    away = Away(Reason.FAILED)
    store = MeasuredStore(
        away,  # type: ignore[arg-type]  # it answers every method
        SharedMetrics(1).of(0),
        Observer(heard),
    )
    with pytest.raises(StoreUnavailable):
        store.check()
    assert heard == ["check failed"]


def test_a_measured_store_cannot_begin_a_call_that_its_store_cannot() -> None:
    assert [measured()[0].begin(call) for call in CALLS] == [None, None, None]


def test_each_kind_of_begun_call_is_measured() -> None:
    store, shared = measured(Beginning(()))
    for call in CALLS:
        pending = store.begin(call)
        assert pending is not None
        assert pending.results() == ()
    assert operations(shared) == {"add": 1, "get": 1, "page": 1}
