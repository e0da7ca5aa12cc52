"""What is reported is there: for another store, later, and after the process was killed.

Only for stores that are durable, as their data says; for the others there is no such promise.
"""

import signal
from contextlib import closing

import pytest

from orders_core import Order, OrderId, OrderStore, Outcome, Totals
from tests.contract.data import Data
from tests.contract.writer import batch, writing


@pytest.fixture
def another_store(durable_data: Data) -> OrderStore:
    """A second store of the same orders, as another process would open it."""
    return durable_data.open()


def test_a_second_store_sees_what_the_first_reported(
    durable_store: OrderStore,
    another_store: OrderStore,
) -> None:
    with closing(another_store):
        for number in range(20):
            order = Order(f"{number:02}", number)
            durable_store.add([order])
            assert list(another_store.get([order.id])) == [order]
            assert another_store.page(1, before=OrderId("x"))[0] == order
            assert another_store.totals() == durable_store.totals()


def test_a_second_store_replays_what_the_first_created(
    durable_store: OrderStore,
    another_store: OrderStore,
) -> None:
    durable_store.add([Order("a", 1)])
    with closing(another_store):
        outcomes = another_store.add([Order("a", 1), Order("a", 2)])
    assert list(outcomes) == [Outcome.REPLAYED, Outcome.CONFLICT]


def test_orders_survive_closing_and_reopening_the_store(durable_data: Data) -> None:
    orders = [Order(f"{number:03}", number) for number in range(100)]
    with closing(durable_data.open()) as store:
        store.add(orders)
        totals = store.totals()
    with closing(durable_data.open()) as store:
        assert list(store.page(1_000)) == orders
        assert store.totals() == totals


def test_a_store_that_was_never_used_can_be_closed(durable_data: Data) -> None:
    durable_data.open().close()
    with closing(durable_data.open()) as store:
        assert store.totals().count == 0


def test_a_store_may_be_closed_twice(durable_data: Data) -> None:
    store = durable_data.open()
    store.add([Order("a", 1)])
    store.close()
    store.close()


@pytest.mark.parametrize("atomic", [False, True])
@pytest.mark.parametrize("size", [1, 50])
@pytest.mark.parametrize("acknowledged", [1, 40])
def test_every_acknowledged_order_survives_the_killing_of_its_process(
    durable_data: Data,
    acknowledged: int,
    size: int,
    *,
    atomic: bool,
) -> None:
    with writing(durable_data, size, atomic=atomic) as (process, acknowledgements):
        numbers = [acknowledgements.recv() for _ in range(acknowledged)]
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        # What it said between the last look and its end counts too.
        while acknowledgements.poll():
            try:
                numbers.append(acknowledgements.recv())
            except EOFError:
                break
    assert numbers == list(range(len(numbers)))
    with closing(durable_data.open()) as store:
        for number in numbers:
            orders = batch(number, size)
            assert list(store.get([order.id for order in orders])) == orders
        # One batch more may be there, whole: stored, but its process was killed before it
        # could say so.
        following = batch(len(numbers), size)
        found = store.get([order.id for order in following])
        assert list(found) in ([None] * size, following)
        assert store.totals().count == size * (len(numbers) + (found[0] is not None))


def test_a_killed_process_leaves_a_store_that_accepts_orders(durable_data: Data) -> None:
    with writing(durable_data, 10, atomic=True) as (_, acknowledgements):
        acknowledgements.recv()
    with closing(durable_data.open()) as store:
        store.check()
        assert list(store.add(batch(0, 10))) == [Outcome.REPLAYED] * 10
        before = store.totals()
        assert list(store.add([Order("new", 1)])) == [Outcome.CREATED]
        assert store.totals() == Totals(before.count + 1, before.amount + 1)
