"""Writers that retry as the contract says, while the server fails: nothing is lost or doubled."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import count
from random import Random
from threading import Event
from typing import Final

import pytest
from attrs import define, field

from orders_core import Amount, Order, OrderId, Outcome, StoreUnavailable, scan
from orders_postgres import PostgresStore
from tests.postgres_server import OrdersDatabase, PostgresServer, wait_until

WRITERS: Final = 4
BATCHES_BETWEEN: Final = 60
SHAKES: Final = 3


@define
class Writer:
    """Adds batches one after the other, retrying each until it is acknowledged."""

    store: PostgresStore
    seed: int
    acknowledged: list[tuple[Order, Outcome]] = field(factory=list)
    batches: int = 0
    refusals: int = 0

    def write(self, stopped: Event) -> None:
        """Write until stopped."""
        random = Random(self.seed)  # noqa: S311 - an example, not a secret
        for number in count():
            # Several writers add the same ids, so each id always has the same amount.
            ids = sorted({f"{number}-{random.randrange(20)}" for _ in range(5)})
            random.shuffle(ids)
            orders = [Order(each, each.partition("-")[2]) for each in ids]
            atomic = random.random() < 0.5
            while not stopped.is_set():
                try:
                    outcomes = self.store.add(orders, atomic=atomic)
                except StoreUnavailable:
                    self.refusals += 1
                    stopped.wait(0.01)
                else:
                    self.acknowledged.extend(zip(orders, outcomes, strict=True))
                    self.batches += 1
                    break
            if stopped.is_set():
                return


def end_sessions(database: OrdersDatabase) -> None:
    database.end_sessions()


def restart(database: OrdersDatabase) -> None:
    database.server.restart()


def kill(database: OrdersDatabase) -> None:
    database.server.kill()
    database.server.start()


@contextmanager
def traffic(store: PostgresStore) -> Iterator[list[Writer]]:
    """Let writers write during the block; compare what was acknowledged with the store."""
    stopped = Event()
    writers = [Writer(store, seed) for seed in range(WRITERS)]
    with ThreadPoolExecutor(WRITERS) as threads:
        running = [threads.submit(writer.write, stopped) for writer in writers]
        try:
            wait_for_batches(writers)
            yield writers
            wait_for_batches(writers)
        finally:
            stopped.set()
        for each in running:
            each.result()
    assert_kept(writers, {order.id: order.amount for batch in scan(store) for order in batch})


@pytest.mark.parametrize("shake", [end_sessions, restart, kill])
def test_every_acknowledged_order_is_stored_once_whatever_happens_to_the_server(
    own_server: PostgresServer,
    shake: Callable[[OrdersDatabase], None],
) -> None:
    database = own_server.new_database()
    with closing(database.store()) as store, traffic(store) as writers:
        for _ in range(SHAKES):
            shake(database)
            wait_for_batches(writers)


def test_a_full_stop_is_reported_and_the_store_recovers_by_itself(
    own_server: PostgresServer,
) -> None:
    database = own_server.new_database()
    with closing(database.store()) as store, traffic(store) as writers:
        own_server.stop()
        try:
            wait_until(lambda: all(writer.refusals for writer in writers))
        finally:
            own_server.start()


def wait_for_batches(writers: list[Writer]) -> None:
    """Wait until each writer has some more acknowledged batches."""
    goals = [writer.batches + BATCHES_BETWEEN for writer in writers]
    wait_until(
        lambda: all(writer.batches >= goal for writer, goal in zip(writers, goals, strict=True)),
    )


def assert_kept(writers: list[Writer], stored: dict[OrderId, Amount]) -> None:
    created: Counter[OrderId] = Counter()
    for writer in writers:
        for order, outcome in writer.acknowledged:
            assert stored[order.id] == order.amount
            assert outcome is not Outcome.CONFLICT
            created[order.id] += outcome is Outcome.CREATED
    assert max(created.values()) == 1
