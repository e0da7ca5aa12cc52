"""The gathering server: waiting requests share a batch, and no request waits forever."""

import json
import socket
import struct
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path
from threading import Barrier, Event, Lock

import pytest
from attrs import frozen

from orders_core import Order, OrderId, Outcome, Reason, StoreUnavailable
from orders_http.api.application import HttpSettings, create_app
from orders_http.api.exchange import Exchange, ReplyCoroutine
from orders_http.api.hosts import HostRule
from orders_http.api.http_messages import Reply
from orders_http.api.observer import Unobserved
from orders_http.server.gathering import WORK_THREADS, GatheringServer
from orders_http.server.limits import DEFAULT_LIMITS, Limits
from orders_http.server.listening_sockets import listen
from orders_memory import MemoryStore
from orders_postgres.pool import DEFAULT_SIZE
from orders_prometheus import Metrics, SharedMetrics
from tests.http.hostile_requests import get, post
from tests.http.response import Response
from tests.http.wire import Wire, connected_to
from tests.postgres_server import wait_until
from tests.prometheus.exposition import value
from tests.service_process import served

# No deadline for requests under way: a test may stall on a busy machine.
WITHOUT_DEADLINE = Limits(request_seconds=60.0)
# Nor for requests that queue; they stay in order of arrival.
PATIENT = Limits(
    request_seconds=60.0, shed_seconds=60.0, late_seconds=60.0, slow_batch_seconds=60.0
)
READERS = WORK_THREADS["read"]


class GatedStore(MemoryStore):
    """A store that waits while its gate is closed, and records its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.open = Event()
        self.open.set()
        self.entered = Event()
        self.callers = self.most_callers = 0
        self.counting = Lock()
        self.added: list[list[str]] = []
        self.sought: list[list[str]] = []

    def close_gate(self) -> None:
        self.open.clear()
        self.entered.clear()

    def add(self, orders: Sequence[Order], *, atomic: bool = False) -> Sequence[Outcome]:
        self.added.append([order.id.value for order in orders])
        self._pass()
        return super().add(orders, atomic=atomic)

    def get(self, ids: Sequence[OrderId]) -> Sequence[Order | None]:
        self.sought.append([order_id.value for order_id in ids])
        self._pass()
        return super().get(ids)

    def page(
        self,
        limit: int,
        *,
        after: OrderId | None = None,
        before: OrderId | None = None,
    ) -> Sequence[Order]:
        self._pass()
        return super().page(limit, after=after, before=before)

    def _pass(self) -> None:
        with self.counting:
            self.callers += 1
            self.most_callers = max(self.callers, self.most_callers)
        self.entered.set()
        assert self.open.wait(30)
        with self.counting:
            self.callers -= 1


@frozen
class Gathering:
    """A running gathering server, its store and its metrics."""

    store: GatedStore
    port: int
    metrics: SharedMetrics

    @contextmanager
    def wires(self, count: int) -> Iterator[list[Wire]]:
        """Open this many connections, and wait until the server has accepted each."""
        with ExitStack() as stack:
            wires = [
                stack.enter_context(connected_to("127.0.0.1", self.port)) for _ in range(count)
            ]
            for wire in wires:
                wire.send(get("/health"))
                assert wire.receive().status == 200
            yield wires

    def ask(self, raw: bytes) -> Response:
        with connected_to("127.0.0.1", self.port) as wire:
            wire.send(raw)
            return wire.receive()


@contextmanager
def running(
    store: MemoryStore, metrics: Metrics | None = None, limits: Limits = DEFAULT_LIMITS
) -> Iterator[int]:
    application = create_app(store, HttpSettings("USD", HostRule()), metrics)
    server = GatheringServer(application, store, listen("127.0.0.1", 0), limits=limits)
    with served(server) as port:
        yield port


@pytest.fixture
def limits() -> Limits:
    return DEFAULT_LIMITS


@pytest.fixture
def gathering(limits: Limits) -> Iterator[Gathering]:
    store = GatedStore()
    metrics = SharedMetrics(1)
    with running(store, metrics.of(0), limits) as port:
        try:
            yield Gathering(store, port, metrics)
        finally:
            store.open.set()


without_deadline = pytest.mark.parametrize("limits", [WITHOUT_DEADLINE], ids=["without_deadline"])
patient = pytest.mark.parametrize("limits", [PATIENT], ids=["patient"])


def order(name: str, amount: int = 1) -> bytes:
    return post(json.dumps({"id": name, "amount": amount}))


@patient
def test_orders_that_arrive_while_a_batch_is_under_way_form_the_next_one(
    gathering: Gathering,
) -> None:
    with gathering.wires(11) as (first, *others):
        gathering.store.close_gate()
        first.send(order("first"))
        assert gathering.store.entered.wait(10)
        for number, wire in enumerate(others):
            wire.send(order(f"other-{number}"))
        # When the loop answers a request sent after them, it has read them all.
        assert gathering.ask(get("/health")).status == 200
        gathering.store.open.set()
        assert {wire.receive().status for wire in [first, *others]} == {201}
    assert [len(batch) for batch in gathering.store.added] == [1, 10]
    assert value(gathering.metrics, "orders_http_batch_size_count", operation="add") == 2
    assert value(gathering.metrics, "orders_http_batch_size_sum", operation="add") == 11
    assert value(gathering.metrics, "orders_http_queue_wait_seconds_count", operation="add") == 11


@patient
def test_look_ups_are_gathered_and_each_is_answered_correctly(gathering: Gathering) -> None:
    gathering.store.add([Order("stored", 5)])
    with gathering.wires(3) as (first, second, third):
        gathering.store.close_gate()
        first.send(get("/orders/stored"))
        assert gathering.store.entered.wait(10)
        second.send(get("/orders/stored"))
        third.send(get("/orders/missing"))
        assert gathering.ask(get("/health")).status == 200
        gathering.store.open.set()
        assert [wire.receive().status for wire in (first, second, third)] == [200, 200, 404]
    assert gathering.store.sought[0] == ["stored"]
    assert sorted(gathering.store.sought[1]) == ["missing", "stored"]
    assert value(gathering.metrics, "orders_http_batch_size_sum", operation="get") == 3


@patient
def test_orders_with_the_same_id_in_a_batch_take_effect_in_order_of_arrival(
    gathering: Gathering,
) -> None:
    with gathering.wires(4) as (first, *others):
        gathering.store.close_gate()
        first.send(order("first"))
        assert gathering.store.entered.wait(10)
        for wire, amount in zip(others, (1, 1, 2), strict=True):
            wire.send(order("same", amount))
            assert gathering.ask(get("/health")).status == 200
        gathering.store.open.set()
        assert [wire.receive().status for wire in others] == [201, 200, 409]


def test_pipelined_requests_see_what_earlier_ones_stored(
    gathering: Gathering,
) -> None:
    with gathering.wires(1) as (wire,):
        wire.send(order("pipelined") + get("/orders/pipelined") + order("pipelined", 2))
        assert [wire.receive().status for _ in range(3)] == [201, 200, 409]


@without_deadline
def test_a_request_that_queues_too_long_is_refused_and_can_be_sent_again(
    gathering: Gathering,
) -> None:
    with gathering.wires(2) as (first, second):
        gathering.store.close_gate()
        first.send(order("first"))
        assert gathering.store.entered.wait(10)
        second.send(order("second"))
        refused = second.receive()
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        gathering.store.open.set()
        assert first.receive().status == 201
        second.send(order("second"))
        assert second.receive().status == 201
    assert gathering.store.added == [["first"], ["second"]]
    assert value(gathering.metrics, "orders_http_requests_shed_total", reason="busy") == 1


def test_a_request_under_way_too_long_is_refused_and_its_late_result_dropped(
    gathering: Gathering,
) -> None:
    with gathering.wires(1) as (wire,):
        gathering.store.close_gate()
        wire.send(order("slow"))
        assert wire.receive().status == 503
        gathering.store.open.set()
        wire.send(order("slow"))
        replayed = wire.receive()
        assert (replayed.status, replayed.headers["idempotent-replayed"]) == (200, "true")
    assert value(gathering.metrics, "orders_http_requests_shed_total", reason="deadline") == 1


@without_deadline
def test_a_list_that_waits_too_long_for_a_busy_thread_is_refused(
    gathering: Gathering,
) -> None:
    metrics = gathering.metrics
    with gathering.wires(READERS + 1) as (*readers, late):
        gathering.store.close_gate()
        for reader in readers:
            reader.send(get("/orders"))
        wait_until(lambda: value(metrics, "orders_http_requests_in_flight") == READERS)
        late.send(get("/orders"))
        refused = late.receive()
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert not gathering.store.open.is_set()
        gathering.store.open.set()
        assert [reader.receive().status for reader in readers] == [200] * READERS
        late.send(get("/orders"))
        assert late.receive().status == 200
    begun = value(metrics, "orders_http_queue_wait_seconds_count", operation="work")
    assert begun == READERS + 1
    assert value(metrics, "orders_http_requests_shed_total", reason="busy") == 1


def test_orders_are_stored_and_found_while_every_thread_reads_a_list() -> None:
    class GatedLists(MemoryStore):
        reading = Barrier(READERS + 1)
        open = Event()

        def page(self, limit: int, **where: OrderId | None) -> Sequence[Order]:
            self.reading.wait(30)
            assert self.open.wait(30)
            return super().page(limit, **where)

    store = GatedLists()
    with running(store, limits=PATIENT) as port, ExitStack() as stack:
        readers = [stack.enter_context(connected_to("127.0.0.1", port)) for _ in range(READERS)]
        for reader in readers:
            reader.send(get("/orders"))
        store.reading.wait(30)
        with connected_to("127.0.0.1", port) as wire:
            wire.send(order("among-lists") + get("/orders/among-lists"))
            assert [wire.receive().status for _ in range(2)] == [201, 200]
        store.open.set()
        assert [reader.receive().status for reader in readers] == [200] * READERS


@patient
def test_a_fully_loaded_worker_needs_no_more_connections_than_its_store_has(
    gathering: Gathering,
) -> None:
    bulk = ("Content-Type: text/csv",)
    kinds = (
        lambda number: order(f"one-{number}"),
        lambda number: get(f"/orders/one-{number}"),
        lambda _: get("/orders?limit=2"),
        lambda _: get("/orders"),
        lambda _: get("/"),
        lambda number: post(f"id,amount\nmany-{number},1\n", *bulk),
    )
    with gathering.wires(4 * len(kinds)) as wires:
        gathering.store.close_gate()
        for number, wire in enumerate(wires):
            wire.send(kinds[number % len(kinds)](number))
        in_flight = "orders_http_requests_in_flight"
        wait_until(lambda: value(gathering.metrics, in_flight) == len(wires))
        wait_until(lambda: gathering.store.callers >= DEFAULT_SIZE)
        # Time for further calls to reach the store, if there were any.
        assert [gathering.ask(get("/health")).status for _ in range(50)] == [200] * 50
        gathering.store.open.set()
        assert {wire.receive().status for wire in wires} <= {200, 201, 404}
    assert gathering.store.most_callers == DEFAULT_SIZE


@patient
def test_open_connections_and_requests_in_flight_are_counted(gathering: Gathering) -> None:
    with gathering.wires(3) as (first, *_):
        gathering.store.close_gate()
        first.send(order("waiting"))
        assert gathering.store.entered.wait(10)
        assert value(gathering.metrics, "orders_http_connections_open") == 3
        assert value(gathering.metrics, "orders_http_requests_in_flight") == 1
        gathering.store.open.set()
        assert first.receive().status == 201
        assert value(gathering.metrics, "orders_http_requests_in_flight") == 0
    wait_until(lambda: value(gathering.metrics, "orders_http_connections_open") == 0)


@patient
def test_a_client_that_leaves_while_its_order_waits_harms_no_other(gathering: Gathering) -> None:
    with gathering.wires(1) as (staying,):
        gathering.store.close_gate()
        with socket.create_connection(("127.0.0.1", gathering.port)) as leaving:
            leaving.sendall(order("left"))
            assert gathering.store.entered.wait(10)
        staying.send(order("stayed"))
        assert gathering.ask(get("/health")).status == 200
        gathering.store.open.set()
        assert staying.receive().status == 201
    assert gathering.ask(get("/orders/left")).status == 200


def test_if_the_store_is_unavailable_each_request_of_the_batch_fails() -> None:
    class AwayStore(MemoryStore):
        def add(self, orders: Sequence[Order], *, atomic: bool = False) -> Sequence[Outcome]:
            raise StoreUnavailable(Reason.UNREACHABLE, f"{len(orders)} {atomic}")

    with running(AwayStore()) as port, connected_to("127.0.0.1", port) as wire:
        wire.send(order("one") + order("two") + get("/orders/one"))
        assert [wire.receive().status for _ in range(3)] == [503, 503, 404]


class DefectError(Exception):
    """Stands for a bug."""


class DefectiveStore(MemoryStore):
    def get(self, ids: Sequence[OrderId]) -> Sequence[Order | None]:
        raise DefectError(len(ids))


def test_a_defect_is_answered_as_a_problem_and_logged_and_the_server_continues(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with running(DefectiveStore()) as port, connected_to("127.0.0.1", port) as wire:
        wire.send(get("/orders/any"))
        response = wire.receive()
        assert response.status == 500
        assert json.loads(response.body)["type"] == "urn:problem-type:orders:internal-error"
        assert b"DefectError" not in response.body
        wire.send(get("/health"))
        assert wire.receive().status == 200
    assert "DefectError" in caplog.text


@pytest.mark.parametrize("target", ["/health", "/orders/any"])
def test_a_defect_outside_the_endpoints_does_not_end_the_server_either(
    caplog: pytest.LogCaptureFixture,
    target: str,
) -> None:
    class DefectiveObserver(Unobserved):
        def request_answered(self, route: str, *_others: object) -> None:
            raise DefectError(route)

    store = MemoryStore()
    application = create_app(store, HttpSettings("USD", HostRule()), DefectiveObserver())
    with (
        served(GatheringServer(application, store, listen("127.0.0.1", 0))) as port,
        connected_to("127.0.0.1", port) as wire,
    ):
        for _ in range(2):
            wire.send(get(target))
            assert wire.receive().status == 500
    assert caplog.text.count("DefectError: ") == 2


def test_a_reply_sent_in_many_pieces_arrives_whole(
    gathering: Gathering,
) -> None:
    orders = [Order("\U0001f9fe" * 120 + str(number), 1) for number in range(10_000)]
    gathering.store.add(orders)
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.settimeout(30)
        reader.connect(("127.0.0.1", gathering.port))
        # Each list is more than the kernel buffers for one connection.
        reader.sendall(get("/orders") * 2 + get("/orders?limit=1"))
        wire = Wire(reader)
        for _ in range(2):
            assert len(json.loads(wire.receive().body)) == len(orders)
        assert len(json.loads(wire.receive().body)) == 1


# The client reads in the end, however long the others take on a busy machine.
@pytest.mark.parametrize("limits", [Limits(stalled_seconds=60.0)], ids=["stalled"])
def test_a_client_that_asks_for_much_and_reads_nothing_holds_up_no_other(
    gathering: Gathering,
) -> None:
    gathering.store.add([Order("\U0001f9fe" * 120 + str(number), 1) for number in range(2_000)])
    with connected_to("127.0.0.1", gathering.port) as wire:
        # Together they exceed the size at which Waitress would block.
        wire.send(get("/orders") * 50 + order("last"))
        for _ in range(60):  # Each takes as long as one of those.
            assert gathering.ask(get("/orders")).status == 200
        assert gathering.ask(get("/orders/last")).status == 404
        assert {len(json.loads(wire.receive().body)) for _ in range(50)} == {2_000}
        assert wire.receive().status == 201


def test_a_reply_that_is_not_read_yet_needs_no_file(
    gathering: Gathering,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    gathering.store.add([Order("\U0001f9fe" * 120 + str(number), 1) for number in range(10_000)])
    with connected_to("127.0.0.1", gathering.port) as wire:
        wire.send(get("/orders") * 3)
        assert gathering.ask(get("/orders")).status == 200
        assert [wire.receive().status for _ in range(3)] == [200] * 3


def test_no_further_request_of_a_client_that_has_left_is_run(
    gathering: Gathering,
) -> None:
    gathering.store.add([Order("\U0001f9fe" * 120 + str(number), 1) for number in range(10_000)])
    gathering.store.added.clear()
    with socket.create_connection(("127.0.0.1", gathering.port)) as leaving:
        leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Each list is more than the kernel buffers for one connection.
        leaving.sendall(get("/orders") * 2 + order("behind"))
        assert leaving.recv(1)
        assert gathering.ask(get("/health")).status == 200
    wait_until(lambda: value(gathering.metrics, "orders_http_connections_open") == 0)
    assert gathering.store.added == []


def test_a_reply_that_cannot_be_written_ends_only_its_connection(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    application = create_app(MemoryStore(), HttpSettings("USD", HostRule()))
    begin = application.begin

    def unwritable(environ: dict[str, object]) -> Exchange:
        def steps() -> ReplyCoroutine:
            yield from ()
            return Reply(HTTPStatus.OK, headers=(("Location", "\u2028"),))

        return Exchange(steps()) if environ["PATH_INFO"] == "/unwritable" else begin(environ)

    monkeypatch.setattr(application, "begin", unwritable)
    with served(GatheringServer(application, MemoryStore(), listen("127.0.0.1", 0))) as port:
        with connected_to("127.0.0.1", port) as wire:
            wire.send(get("/unwritable"))
            assert wire.rest() == b""
        with connected_to("127.0.0.1", port) as wire:
            wire.send(get("/health"))
            assert wire.receive().status == 200
    assert "a reply could not be sent" in caplog.text


def test_100_continue_is_sent_after_the_reply_before_it(
    gathering: Gathering,
) -> None:
    body = b'{"id": "second", "amount": 2}'
    asking = (
        b"POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n" % len(body)
    )
    with gathering.wires(1) as (wire,):
        gathering.store.close_gate()
        wire.send(order("first") + asking)
        assert gathering.store.entered.wait(10)
        gathering.store.open.set()
        assert [wire.receive().status for _ in range(2)] == [201, 100]
        wire.send(body)
        assert wire.receive().status == 201
    assert gathering.store.added == [["first"], ["second"]]
