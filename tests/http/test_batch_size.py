"""How many requests are served with a store that is far away, and with one that is slow.

The gatherer and its loop are real. The clock and the store's delays are simulated, so that a busy
machine changes nothing.
"""

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from heapq import heappop, heappush
from itertools import count
from random import Random
from wsgiref.util import setup_testing_defaults

import pytest
from attrs import define, field

from orders_core import Call, GetOrders, Order
from orders_http.api.application import HttpSettings, create_app
from orders_http.api.hosts import HostRule
from orders_http.api.http_messages import Reply
from orders_http.server.gathering import Gatherer
from orders_http.server.loop import Loop
from orders_memory import MemoryStore
from tests.clock import Clock

CLIENTS = 32
PAUSE_SECONDS = 0.001
"""How long a client waits before its next request."""
FAR_SECONDS = 0.02
LATENCIES = (0.001, 0.05, 0.15, 0.3, 0.6)

BatchSeconds = Callable[[int], float]
"""Returns how long a store takes for a batch of a size."""


def constant(seconds: float) -> BatchSeconds:
    return lambda _size: seconds


def per_request(seconds: float) -> BatchSeconds:
    return lambda size: seconds * size


@define(eq=False)
class FakePending:
    """A pending call that ends when the test says so."""

    orders: Sequence[Order | None]
    sockets: tuple[socket.socket, socket.socket] = field(factory=socket.socketpair)
    ended: bool = False

    def fileno(self) -> int:
        return self.sockets[0].fileno()

    def end(self) -> None:
        self.ended = True
        self.sockets[1].close()

    def proceed(self) -> bool:
        return self.ended

    def results(self) -> Sequence[Order | None]:
        self.close()
        return self.orders

    def close(self) -> None:
        for each in self.sockets:
            each.close()


@define(eq=False)
class Client:
    """A client that sends one look-up after another, on one connection."""

    world: "World"
    sent: float = 0.0

    def send(self) -> None:
        self.sent = self.world.clock.seconds
        self.world.gatherer.add_task(self)

    def open_request(self) -> dict[str, object]:
        environ: dict[str, object] = {"PATH_INFO": "/orders/A", "HTTP_HOST": "localhost"}
        setup_testing_defaults(environ)
        return environ

    def answer(self, reply: Reply) -> None:
        self.world.statuses.append(reply.status)
        self.world.waits.append(self.world.clock.seconds - self.sent)
        self.world.after(PAUSE_SECONDS, self.send)


class World(MemoryStore):
    """A gatherer, its clients, and a store whose batches take simulated time."""

    def __init__(self, batch_seconds: BatchSeconds) -> None:
        super().__init__()
        self.add([Order("A", 1)])
        self.batch_seconds = batch_seconds
        self.clock = Clock()
        self.loop = Loop(self.clock)
        self.statuses: list[int] = []
        self.waits: list[float] = []
        self.batch_sizes: list[int] = []
        self.open: set[FakePending] = set()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        application = create_app(self, HttpSettings("USD", HostRule(), log_requests=0))
        self.gatherer = Gatherer(application, self, self.loop, lambda: None)

    def begin(self, call: Call) -> FakePending:
        assert isinstance(call, GetOrders)
        begun = FakePending(self.get(call.items))
        self.open.add(begun)
        self.batch_sizes.append(len(call.items))
        self.after(self.batch_seconds(len(call.items)), begun.end)
        return begun

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        heappush(self._events, (self.clock.seconds + seconds, next(self._numbers), do))

    def serve(self, seconds: float) -> None:
        """Let some time pass, and forget earlier answers."""
        self.statuses.clear()
        self.waits.clear()
        self.batch_sizes.clear()
        until = self.clock.seconds + seconds
        while self.clock.seconds < until:
            following = self._events[0][0] if self._events else until
            self.clock.seconds += self.gatherer.next_timeout(following - self.clock.seconds)
            while self._events and self._events[0][0] <= self.clock.seconds:
                _, _, do = heappop(self._events)
                do()
            self.loop.run_once(0)
            self.gatherer.run_once()

    @property
    def served(self) -> int:
        return self.statuses.count(200)

    @property
    def refused(self) -> int:
        return self.statuses.count(503)


@contextmanager
def world(batch_seconds: BatchSeconds, clients: int = CLIENTS) -> Iterator[World]:
    made = World(batch_seconds)
    for number in range(clients):
        made.after(number * PAUSE_SECONDS, Client(made).send)
    try:
        yield made
    finally:
        made.gatherer.shutdown(timeout=1)
        for begun in made.open:
            begun.close()
        Loop.close(made.loop)


def whole(latency: float, round_trips: int) -> int:
    """Return how many requests of each client are served in some round trips to a store.

    With a near store, one half of the clients waits while the other half is served.
    """
    return round_trips * 9 // 20 if latency < FAR_SECONDS else round_trips * 9 // 10


@pytest.mark.parametrize("latency", LATENCIES)
@pytest.mark.parametrize("clients", [1, CLIENTS, 200])
def test_with_a_far_store_every_client_is_served_in_whole_batches(
    latency: float, clients: int
) -> None:
    with world(constant(latency), clients) as made:
        made.serve(0.2 + 12 * latency)
        assert made.refused == 0
        made.serve(30 * (latency + PAUSE_SECONDS))
        assert made.refused == 0
        assert made.served >= whole(latency, 30) * clients


@pytest.mark.parametrize("latency", LATENCIES)
def test_when_a_store_moves_away_every_client_is_still_served(latency: float) -> None:
    with world(constant(0.001)) as made:
        made.serve(0.1)
        made.batch_seconds = constant(latency)
        made.serve(60 * (latency + PAUSE_SECONDS))
        assert made.refused == 0
        assert made.served >= whole(latency, 60) * CLIENTS


@pytest.mark.parametrize("latency", LATENCIES)
def test_with_a_far_store_of_varying_latency_every_client_is_served(latency: float) -> None:
    random = Random(1)  # noqa: S311 - no secret

    def seconds(_size: int) -> float:
        return latency * random.uniform(0.8, 1.6)

    with world(seconds) as made:
        made.serve(100 * latency)
        assert made.refused == 0


@pytest.mark.parametrize("seconds_each", [0.001, 0.003, 0.01])
def test_a_store_whose_time_grows_with_the_batch_gets_short_batches(
    seconds_each: float,
) -> None:
    with world(per_request(seconds_each), clients=600) as made:
        made.serve(5.0)
        made.serve(10.0)
        assert max(made.waits) <= 1.0
        assert max(made.batch_sizes) * seconds_each <= 0.35
        assert made.served >= 9.0 / seconds_each


def test_batches_shrink_when_a_store_becomes_slow_and_grow_when_it_is_fast_again() -> None:
    with world(constant(0.01), clients=300) as made:
        made.serve(0.5)
        made.batch_seconds = per_request(0.01)
        made.serve(10.0)
        made.serve(5.0)
        assert max(made.batch_sizes) <= 64
        made.batch_seconds = constant(0.01)
        made.serve(0.5)
        assert max(made.batch_sizes) >= 100


def test_a_store_that_comes_near_again_is_measured_again() -> None:
    with world(constant(0.6), clients=300) as made:
        made.serve(10.0)
        made.batch_seconds = constant(0.01)
        made.serve(0.5)
        made.batch_seconds = per_request(0.003)
        made.serve(5.0)
        made.serve(5.0)
        assert max(made.waits) <= 1.0
