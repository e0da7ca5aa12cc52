"""Several threads at once, on one store and on several stores of the same orders."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from decimal import Decimal
from functools import partial
from random import Random

import pytest

from orders_core import Order, OrderId, OrderStore, Outcome, scan
from tests.contract.data import Data
from tests.contract.threads import at_once, in_background

CREATED, REPLAYED, CONFLICT = Outcome.CREATED, Outcome.REPLAYED, Outcome.CONFLICT
ROUNDS = 30


@pytest.fixture(params=["one store", "a store each"])
def open_store(data: Data, request: pytest.FixtureRequest) -> Iterator[Callable[[], OrderStore]]:
    """Give each thread a store: the shared one, or its own store of the same orders."""
    with ExitStack() as stores:
        if request.param == "one store":
            store = stores.enter_context(closing(data.open()))
            yield lambda: store
        else:
            yield lambda: stores.enter_context(closing(data.open()))


def test_exactly_one_of_two_writers_of_an_id_with_two_amounts_creates_it(
    open_store: Callable[[], OrderStore],
) -> None:
    stores = [open_store(), open_store()]
    for number in range(ROUNDS):
        orders = [Order(f"{number}", 1), Order(f"{number}", 2)]
        outcomes = at_once(
            [partial(store.add, [order]) for store, order in zip(stores, orders, strict=True)],
        )
        assert sorted(each[0].value for each in outcomes) == ["conflict", "created"]
        winner = orders[[each[0] for each in outcomes].index(CREATED)]
        assert list(stores[0].get([winner.id])) == [winner]


def test_one_of_two_writers_of_the_same_order_creates_it_and_the_other_replays_it(
    open_store: Callable[[], OrderStore],
) -> None:
    stores = [open_store(), open_store()]
    for number in range(ROUNDS):
        outcomes = at_once([partial(store.add, [Order(f"{number}", 1)]) for store in stores])
        assert sorted(each[0].value for each in outcomes) == ["created", "replayed"]


def test_one_of_two_conflicting_atomic_batches_is_stored_whole(
    open_store: Callable[[], OrderStore],
) -> None:
    stores = [open_store(), open_store()]
    for number in range(ROUNDS):
        batches = [
            [Order(f"{number}-first", 1), Order(f"{number}-shared", 1)],
            [Order(f"{number}-shared", 2), Order(f"{number}-second", 2)],
        ]
        outcomes = at_once(
            [
                partial(store.add, batch, atomic=True)
                for store, batch in zip(stores, batches, strict=True)
            ],
        )
        stored = [CONFLICT not in each for each in outcomes]
        assert sorted(stored) == [False, True]
        winner = batches[stored.index(True)]
        assert stores[0].totals().count == 2 * (number + 1)
        assert list(stores[1].get([order.id for order in winner])) == winner


@pytest.mark.parametrize("atomic", [False, True])
def test_ten_threads_that_add_overlapping_batches_in_any_order_never_deadlock(
    data: Data,
    *,
    atomic: bool,
) -> None:
    orders = [Order(f"id-{number:03}", number) for number in range(200)]

    def added(store: OrderStore, seed: int) -> Counter[tuple[OrderId, Outcome]]:
        random = Random(seed)  # noqa: S311 - the same batches in every run
        counts: Counter[tuple[OrderId, Outcome]] = Counter()
        for _ in range(5):
            batch = random.sample(orders, 100)
            outcomes = store.add(batch, atomic=atomic)
            counts.update(
                (order.id, outcome) for order, outcome in zip(batch, outcomes, strict=True)
            )
        return counts

    with closing(data.open()) as store:
        counts = sum(at_once([partial(added, store, seed) for seed in range(10)]), Counter())
        stored = [order for batch in scan(store) for order in batch]
    assert {outcome for _, outcome in counts} == {CREATED, REPLAYED}
    assert stored == [order for order in orders if counts[order.id, CREATED]]
    assert {counts[order.id, CREATED] for order in stored} == {1}


def test_several_stores_of_the_same_orders_accept_writes_at_once(data: Data) -> None:
    def added(thread: int) -> Sequence[Outcome]:
        with closing(data.open()) as store:
            return [
                store.add([Order(f"{thread}-{number}", 1), Order(f"shared-{number}", 1)])[1]
                for number in range(10)
            ]

    outcomes = at_once([partial(added, thread) for thread in range(4)])
    for number in range(10):
        assert Counter(each[number] for each in outcomes) == {CREATED: 1, REPLAYED: 3}
    with closing(data.open()) as store:
        assert store.totals().count == 50


@pytest.mark.parametrize("atomic", [False, True])
def test_readers_see_whole_batches_only(
    open_store: Callable[[], OrderStore],
    *,
    atomic: bool,
) -> None:
    size, batches = 25, 40
    writing, reading = open_store(), open_store()
    orders = [
        [Order(f"{number:02}-{position:02}", "0.01") for position in range(size)]
        for number in range(batches)
    ]

    def write() -> None:
        for batch in orders:
            writing.add(batch, atomic=atomic)

    with in_background(write) as goes_on:
        seen = 0
        while goes_on():
            totals = reading.totals()
            assert totals.count % size == 0
            assert totals.amount == Decimal(totals.count) / 100
            assert totals.count >= seen
            seen = totals.count
            page = reading.page(size * batches)
            assert len(page) % size == 0
            assert len(page) >= seen
            following = orders[min(seen // size, batches - 1)]
            assert len(set(map(bool, reading.get([order.id for order in following])))) == 1
    assert reading.totals().count == size * batches


def test_no_reader_sees_a_refused_atomic_batch(open_store: Callable[[], OrderStore]) -> None:
    writing, reading = open_store(), open_store()
    writing.add([Order("taken", 1)])

    def write() -> None:
        for number in range(ROUNDS):
            refused = [Order("hidden", 1), Order(f"{number}", 1), Order("taken", 2)]
            assert CONFLICT in writing.add(refused, atomic=True)

    with in_background(write) as goes_on:
        while goes_on():
            assert list(reading.get([OrderId("hidden")])) == [None]
            assert reading.totals().count == 1


def test_an_order_reported_as_replayed_or_in_conflict_can_be_read(
    open_store: Callable[[], OrderStore],
) -> None:
    stores = [open_store() for _ in range(4)]

    def added(store: OrderStore, amount: int) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for number in range(ROUNDS):
            order = Order(f"{number}", amount)
            outcomes += store.add([order])
            (found,) = store.get([order.id])
            assert found is not None
            assert (found == order) == (outcomes[-1] is not CONFLICT)
        return outcomes

    results = at_once(
        [partial(added, store, position % 2) for position, store in enumerate(stores)],
    )
    assert [each.count(CREATED) for each in zip(*results, strict=True)] == [1] * ROUNDS


def test_a_scan_sees_every_order_stored_before_it_exactly_once(
    open_store: Callable[[], OrderStore],
) -> None:
    writing, reading = open_store(), open_store()
    before = [Order(f"{number:03}", 1) for number in range(0, 400, 2)]
    writing.add(before)

    def write() -> None:
        for number in range(1, 400, 8):
            writing.add([Order(f"{each:03}", 1) for each in range(number, number + 8, 2)])

    with in_background(write) as goes_on:
        while goes_on():
            seen = [order for batch in scan(reading, 7) for order in batch]
            assert seen == sorted(set(seen), key=lambda order: order.id)
            assert set(before) <= set(seen)


def test_many_threads_can_use_a_store_from_its_first_call(data: Data) -> None:
    with closing(data.open()) as store:
        outcomes = at_once([partial(store.add, [Order(f"{n}", 1)]) for n in range(10)])
        assert [list(each) for each in outcomes] == [[CREATED]] * 10
        assert at_once([lambda: store.totals().count] * 10) == [10] * 10
