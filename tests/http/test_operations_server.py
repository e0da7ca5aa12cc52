"""The operations listener under load: probes wait for no scrape, nor scrapes for each other."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from http import HTTPStatus
from threading import Event

import pytest
from attrs import define, field

from orders_http.api.http_messages import Reply
from orders_http.api.operations import Operations, Scrape
from orders_http.server.listening_sockets import listen
from orders_http.server.operations_server import OperationsServer
from orders_http.server.self_check import SelfCheck
from orders_memory import MemoryStore
from tests.http.hostile_requests import HOST, get, head
from tests.http.test_gone_clients import reset_after
from tests.http.wire import Wire, connected_to
from tests.postgres_server import wait_until
from tests.service_process import RunningService, served

SECONDS = 60
SCRAPE = get("/metrics")


class DefectError(Exception):
    """Stands for a bug."""


@define
class GatedMetrics:
    """Metrics that wait while their gate is closed, and count how often they were written."""

    open: Event = field(factory=Event)
    entered: Event = field(factory=Event)
    written: int = 0
    fails: bool = False

    def __call__(self) -> bytes:
        self.written += 1
        number = self.written
        self.entered.set()
        assert self.open.wait(SECONDS)
        if self.fails:
            raise DefectError
        return f"number {number}\n".encode() * 5_000


@define
class Crowd:
    """An operations server and its clients."""

    server: OperationsServer
    metrics: GatedMetrics
    port: int
    stack: ExitStack

    def wire(self) -> Wire:
        return self.stack.enter_context(connected_to("127.0.0.1", self.port))

    def scrapers(self, count: int) -> list[Wire]:
        wires = [self.wire() for _ in range(count)]
        for wire in wires:
            wire.send(SCRAPE)
        return wires

    def status(self, path: str) -> int:
        wire = self.wire()
        wire.send(get(path))
        return wire.receive().status


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    metrics = GatedMetrics()
    operations = Operations(MemoryStore(), lambda: False, metrics)
    server = OperationsServer(operations, listen("127.0.0.1", 0))
    with served(server) as port, ExitStack() as stack:
        try:
            yield Crowd(server, metrics, port, stack)
        finally:
            metrics.open.set()


@pytest.mark.parametrize("scrapers", [1, 300, 1_000])
def test_probes_and_the_self_check_are_answered_while_every_scrape_waits(
    crowd: Crowd, scrapers: int
) -> None:
    wires = crowd.scrapers(scrapers)
    assert crowd.metrics.entered.wait(SECONDS)
    for path in ("/livez", "/readyz", "/livez", "/readyz"):
        assert crowd.status(path) == 200
    assert crowd.status("/nothing") == 404
    answers: list[float] = []
    SelfCheck(crowd.server.connect, lambda: answers.append(1)).run()
    assert answers == [1]
    assert crowd.metrics.written == 1
    crowd.metrics.open.set()
    assert {wire.receive().status for wire in wires} == {200}
    # Once for the first, and once for all that asked while it was being written.
    assert crowd.metrics.written == min(2, scrapers)


def test_a_scrape_gets_only_metrics_written_after_it_asked(crowd: Crowd) -> None:
    (first,) = crowd.scrapers(1)
    assert crowd.metrics.entered.wait(SECONDS)
    second, third = crowd.scrapers(2)
    assert crowd.status("/livez") == 200  # By now the server has read both.
    crowd.metrics.open.set()
    assert first.receive().body.startswith(b"number 1\n")
    assert {second.receive().body[:9], third.receive().body[:9]} == {b"number 2\n"}
    (fourth,) = crowd.scrapers(1)
    assert fourth.receive().body.startswith(b"number 3\n")


def test_a_finished_scrape_wakes_the_loop() -> None:
    class Unhurried(OperationsServer):
        def _run_once(self, timeout: float = SECONDS) -> None:
            super()._run_once(SECONDS * timeout)

    operations = Operations(MemoryStore(), lambda: False, lambda: b"metrics")
    with served(Unhurried(operations, listen("127.0.0.1", 0))) as port:
        for _ in range(10):
            with connected_to("127.0.0.1", port) as wire:
                for request in (SCRAPE, get("/readyz"), SCRAPE):
                    wire.send(request)
                    assert wire.receive().status == HTTPStatus.OK


def test_requests_on_the_operations_listener_can_be_pipelined(crowd: Crowd) -> None:
    crowd.metrics.open.set()
    wire = crowd.wire()
    wire.send(SCRAPE + get("/livez") + head("HEAD /metrics HTTP/1.1", HOST) + get("/readyz"))
    statuses = [wire.receive(head=number == 2).status for number in range(4)]
    assert statuses == [200] * 4
    wire.send(b"x\r\n\r\n")
    assert wire.receive().status == 400
    assert wire.rest() == b""


def test_a_failure_to_write_metrics_is_logged_and_the_next_scrape_tries_again(
    crowd: Crowd, caplog: pytest.LogCaptureFixture
) -> None:
    crowd.metrics.fails = True
    crowd.metrics.open.set()
    for wire in crowd.scrapers(1):
        assert wire.receive().status == HTTPStatus.INTERNAL_SERVER_ERROR
    assert "DefectError" in caplog.text
    crowd.metrics.fails = False
    for wire in crowd.scrapers(1):
        assert wire.receive().status == 200


def test_scrapers_that_leave_before_the_metrics_are_written_harm_no_other(
    crowd: Crowd, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(50):
        reset_after(("127.0.0.1", crowd.port), SCRAPE)
    (last,) = crowd.scrapers(1)
    crowd.metrics.open.set()
    assert last.receive().status == 200
    assert caplog.messages == []


UNWRITABLE = Reply(HTTPStatus.OK, headers=(("Location", "\u2028"),))


@pytest.mark.parametrize("begun", [UNWRITABLE, Scrape(lambda: UNWRITABLE)])
def test_a_reply_that_cannot_be_written_ends_only_its_connection(
    crowd: Crowd,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    begun: Reply | Scrape,
) -> None:
    monkeypatch.setattr(Operations, "begin", lambda _self, _environ: begun)
    wire = crowd.wire()
    wire.send(SCRAPE)
    assert wire.rest() == b""
    monkeypatch.undo()
    assert crowd.status("/livez") == 200
    assert "a reply could not be sent" in caplog.text


def test_a_stopping_server_answers_the_scrapes_that_it_has_accepted(crowd: Crowd) -> None:
    wires = crowd.scrapers(20)
    assert crowd.metrics.entered.wait(SECONDS)
    crowd.server.stop()
    crowd.metrics.open.set()
    answers = [wire.receive() for wire in wires]
    assert {(answer.status, answer.closes) for answer in answers} == {(200, True)}


def test_a_thousand_scrapes_hold_up_no_probe_and_all_are_answered(
    sqlite_service: RunningService,
) -> None:
    before = sqlite_service.children
    address = (sqlite_service.host, sqlite_service.operations_port)
    with ExitStack() as stack:
        wires = [stack.enter_context(connected_to(*address)) for _ in range(1_000)]
        for wire in wires:
            wire.send(SCRAPE)
        for path in ("/livez", "/readyz"):
            with closing(sqlite_service.connect_operations()) as probe:
                probe.request("GET", path)
                assert probe.getresponse().status == 200
        assert {wire.receive().status for wire in wires} == {200}
    wait_until(lambda: sqlite_service.children == before)
    assert "a process hangs" not in sqlite_service.errors()
