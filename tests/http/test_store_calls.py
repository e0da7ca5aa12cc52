"""The server with a store that can begin calls: the loop waits for them, not a thread."""

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from wsgiref.util import setup_testing_defaults

import pytest
from attrs import define, field

from orders_core import Call, Order, OrderId, Outcome, PageQuery, Reason, StoreUnavailable
from orders_http.api.application import HttpSettings, create_app
from orders_http.api.hosts import HostRule
from orders_http.api.http_messages import Reply
from orders_http.server.gathering import Gatherer, GatheringServer
from orders_http.server.limits import Limits
from orders_http.server.listening_sockets import listen
from orders_http.server.loop import Loop
from orders_memory import MemoryStore
from tests.clock import Clock
from tests.http.full_epoll import fill_epoll
from tests.http.hostile_requests import get, post
from tests.http.wire import Wire, connected_to
from tests.service_process import served


@define
class FakePending:
    """A pending call that has ended once it was asked `asks_needed` times, or at once."""

    run: Callable[[], Sequence[object] | None]
    asked: int = 0
    asks_needed: int | None = None
    sockets: tuple[socket.socket, socket.socket] = field(factory=socket.socketpair)

    def fileno(self) -> int:
        return self.sockets[0].fileno()

    def end(self) -> None:
        self.sockets[1].close()

    def proceed(self) -> bool:
        self.asked += 1
        return self.asked == self.asks_needed if self.asks_needed else True

    def results(self) -> Sequence[object] | None:
        for each in self.sockets:
            each.close()
        return self.run()


class BeginningStore(MemoryStore):
    """A store in memory that begins its calls, and records on which thread each one ends."""

    def __init__(self) -> None:
        super().__init__()
        self.loses_connections = self.fails = False
        self.asks_needed: int | None = None
        self.ended_on: list[str] = []

    def begin(self, call: Call) -> FakePending:
        if OrderId("defect") in call.items:
            raise StoreUnavailable(Reason.FAILED, "on purpose")

        def run() -> Sequence[object] | None:
            if self.fails:
                raise StoreUnavailable(Reason.FAILED, "on purpose")
            return None if self.loses_connections else call.run(self)

        begun = FakePending(run, asks_needed=self.asks_needed)
        if self.asks_needed is None:
            begun.end()
        return begun

    def add(self, orders: Sequence[Order], *, atomic: bool = False) -> Sequence[Outcome]:
        self._note()
        return super().add(orders, atomic=atomic)

    def get(self, ids: Sequence[OrderId]) -> Sequence[Order | None]:
        self._note()
        return super().get(ids)

    def pages_json(self, queries: Sequence[PageQuery]) -> Sequence[bytes]:
        self._note()
        return super().pages_json(queries)

    def _note(self) -> None:
        self.ended_on.append(threading.current_thread().name)


@contextmanager
def asking(store: BeginningStore) -> Iterator[Wire]:
    application = create_app(store, HttpSettings("USD", HostRule()))
    with (
        served(GatheringServer(application, store, listen("127.0.0.1", 0))) as port,
        connected_to("127.0.0.1", port) as wire,
    ):
        yield wire


def test_a_call_that_the_store_begins_needs_no_thread_of_the_server() -> None:
    store = BeginningStore()
    with asking(store) as wire:
        wire.send(post('{"id":"A","amount":1}') + get("/orders/A") + get("/orders/B"))
        wire.send(get("/orders?limit=500"))
        assert [wire.receive().status for _ in range(4)] == [201, 200, 404, 200]
    assert len(store.ended_on) == 4
    assert not any(name.startswith("batch") for name in store.ended_on)


def test_a_call_whose_socket_epoll_cannot_register_still_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fill_epoll(monkeypatch, room=3)  # The listener, Waitress's own pipe and the client.
    with asking(BeginningStore()) as wire:
        wire.send(post('{"id":"A","amount":1}') + get("/orders/A"))
        assert [wire.receive().status for _ in range(2)] == [201, 200]


def test_a_call_whose_connection_is_lost_is_made_again_on_a_thread() -> None:
    store = BeginningStore()
    store.loses_connections = True
    with asking(store) as wire:
        wire.send(post('{"id":"A","amount":1}') + get("/orders/A"))
        assert [wire.receive().status for _ in range(2)] == [201, 200]
    assert [name.partition("_")[0] for name in store.ended_on] == ["batch", "batch"]


def test_a_pending_call_that_fails_is_answered_and_the_server_continues() -> None:
    store = BeginningStore()
    store.fails = True
    with asking(store) as wire:
        wire.send(get("/orders/A"))
        assert wire.receive().status == 503
        store.fails = False
        wire.send(get("/orders/A"))
        assert wire.receive().status == 404


def test_a_pending_call_proceeds_even_if_its_socket_is_silent() -> None:
    store = BeginningStore()
    store.asks_needed = 3
    with asking(store) as wire:
        wire.send(get("/orders/A"))
        assert wire.receive().status == 404


def test_a_call_that_fails_to_begin_is_answered_and_the_server_continues() -> None:
    with asking(BeginningStore()) as wire:
        wire.send(get("/orders/defect") + get("/orders/A"))
        assert [wire.receive().status for _ in range(2)] == [503, 404]


@define
class LookUp:
    """A connection with one look-up, and the statuses of the replies to it."""

    statuses: list[int] = field(factory=list)

    def open_request(self) -> dict[str, object]:
        environ: dict[str, object] = {"PATH_INFO": "/orders/A", "HTTP_HOST": "localhost"}
        setup_testing_defaults(environ)
        return environ

    def answer(self, reply: Reply) -> None:
        self.statuses.append(reply.status)


def test_after_a_stall_the_server_continues_and_refuses_no_request() -> None:
    store, clock = BeginningStore(), Clock()
    limits = Limits(shed_seconds=1.0, request_seconds=6.0)
    store.add([Order("A", 1)])
    store.asks_needed = 1  # A pending call has ended when it is asked.
    application = create_app(store, HttpSettings("USD", HostRule()))
    gatherer = Gatherer(application, store, Loop(clock), lambda: None, limits)
    under_way, gathered = LookUp(), LookUp()
    for look_up in (under_way, gathered):
        gatherer.add_task(look_up)
        gatherer.run_once()
    assert limits.shed_seconds < 2 < limits.request_seconds
    for seconds in (2, 0.1, 2):
        clock.seconds += seconds
        gatherer.run_once()
    assert (under_way.statuses, gathered.statuses) == ([200], [200])
