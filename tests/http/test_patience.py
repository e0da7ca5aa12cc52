"""How long a list waits for a thread: longer if the store is far away, but not forever."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Semaphore
from wsgiref.util import setup_testing_defaults

from attrs import define, field

from orders_core import Order, OrderId
from orders_http.api.application import HttpSettings, create_app
from orders_http.api.hosts import HostRule
from orders_http.api.http_messages import Reply
from orders_http.server.gathering import WORK_THREADS, Gatherer
from orders_http.server.loop import Loop
from orders_memory import MemoryStore
from tests.clock import Clock
from tests.postgres_server import wait_until


class GatedLists(MemoryStore):
    """A store that reads as many lists as it has permits."""

    def __init__(self) -> None:
        super().__init__()
        self.permits = Semaphore(0)
        self.begun: list[int] = []

    def page(
        self,
        limit: int,
        *,
        after: OrderId | None = None,
        before: OrderId | None = None,
    ) -> Sequence[Order]:
        self.begun.append(limit)
        assert self.permits.acquire(timeout=60)
        return super().page(limit, after=after, before=before)


@define(eq=False)
class Client:
    """A client that asks for one list."""

    statuses: list[int] = field(factory=list)

    def open_request(self) -> dict[str, object]:
        environ: dict[str, object] = {"PATH_INFO": "/orders", "HTTP_HOST": "localhost"}
        setup_testing_defaults(environ)
        return environ

    def answer(self, reply: Reply) -> None:
        self.statuses.append(reply.status)


@define(eq=False)
class World:
    """A gatherer with a simulated clock."""

    store: GatedLists
    clock: Clock
    gatherer: Gatherer

    def ask(self, count: int) -> list[Client]:
        clients = [Client() for _ in range(count)]
        for client in clients:
            self.gatherer.add_task(client)
        self.gatherer.run_once()
        return clients

    def wait_for_answer(self, client: Client) -> None:
        def answered() -> bool:
            self.gatherer.run_once()
            return bool(client.statuses)

        wait_until(answered)


@contextmanager
def world() -> Iterator[World]:
    store, clock = GatedLists(), Clock()
    loop = Loop(clock)
    application = create_app(store, HttpSettings("USD", HostRule(), log_requests=0))
    gatherer = Gatherer(application, store, loop, lambda: None)
    try:
        yield World(store, clock, gatherer)
    finally:
        store.permits.release(100)
        gatherer.shutdown(timeout=1)
        loop.close()


def read_one_list(here: World, seconds: float) -> None:
    """Read one list, for which the store takes this long."""
    (client,) = here.ask(1)
    wait_until(lambda: bool(here.store.begun))
    here.clock.seconds += seconds
    here.store.permits.release()
    here.wait_for_answer(client)
    assert client.statuses == [200]


def waits_while_all_threads_read(here: World, seconds: float) -> list[int]:
    """Let a list wait this long while every thread reads one; return the statuses it got."""
    before, readers = len(here.store.begun), WORK_THREADS["read"]
    here.ask(readers)
    wait_until(lambda: len(here.store.begun) == before + readers)
    (late,) = here.ask(1)
    here.clock.seconds += seconds
    here.gatherer.run_once()
    return late.statuses


def test_with_a_near_store_a_list_waits_one_second_for_a_thread() -> None:
    with world() as here:
        assert waits_while_all_threads_read(here, 1.2) == [503]


def test_with_a_far_store_a_list_waits_for_two_others() -> None:
    with world() as here:
        read_one_list(here, 0.6)
        assert waits_while_all_threads_read(here, 1.2) == []


def test_a_list_waits_at_most_two_seconds_for_a_thread() -> None:
    with world() as here:
        read_one_list(here, 5.0)
        assert waits_while_all_threads_read(here, 2.2) == [503]
