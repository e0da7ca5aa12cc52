"""Connections that cannot be accepted: the server continues, logs little, and recovers."""

import errno
import json
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from orders_http.api.application import HttpSettings, create_app
from orders_http.api.hosts import HostRule
from orders_http.server.gathering import GatheringServer
from orders_http.server.incidents import QUIET_SECONDS, Incident
from orders_http.server.limits import DEFAULT_LIMITS, Limits
from orders_http.server.listening_sockets import listen
from orders_http.server.scoreboard import Scoreboard, Slot
from orders_http.server.server import Server
from orders_memory import MemoryStore
from tests.http.full_epoll import fill_epoll
from tests.http.hostile_requests import get
from tests.http.wire import HEALTH, connected, connected_to
from tests.postgres_server import wait_until
from tests.service_process import RunningService, running_service, served

CLIENTS = 40
FEW_FILES = 5
FULL = "no connection can be accepted"


def limit_files(pid: int, files: int) -> None:
    _, most = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (files, most))


def new_server(limits: Limits = DEFAULT_LIMITS) -> Server:
    store = MemoryStore()
    application = create_app(store, HttpSettings("USD", HostRule()))
    return GatheringServer(application, store, listen("127.0.0.1", 0), limits=limits)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    """A service of one worker."""
    with running_service(f"sqlite:///{tmp_path}/orders.db", {"ORDERS_WORKERS": "1"}) as running:
        yield running


def test_without_free_files_clients_wait_and_are_answered_once_there_are_some(
    service: RunningService,
) -> None:
    worker = service.children["worker-0"]
    with connected(service) as wire:
        wire.send(HEALTH)  # It opens whatever is opened only once.
        assert wire.receive().status == 200
    before = resource.prlimit(worker, resource.RLIMIT_NOFILE)[0]
    open_files = max(int(name) for name in os.listdir(f"/proc/{worker}/fd"))  # noqa: PTH208 - names
    with ExitStack() as stack:
        limit_files(worker, open_files + 1 + FEW_FILES)
        wires = [stack.enter_context(connected(service)) for _ in range(CLIENTS)]
        for wire in wires:
            wire.send(get("/health"))
        wait_until(lambda: FULL in service.errors())
        # Clients already accepted are still answered.
        assert wires[0].receive().status == 200
        for _ in range(20):
            wires[0].send(get("/health"))
            assert wires[0].receive().status == 200
        limit_files(worker, before)
        assert {wire.receive().status for wire in wires[1:]} == {200}
    lines = [json.loads(line) for line in service.errors().splitlines()]
    (line,) = [line for line in lines if line["message"] not in {"request", "serving"}]
    assert (line["message"], line["level"]) == (FULL, "warning")
    assert line["error"].endswith("Too many open files")
    assert service.children["worker-0"] == worker


def test_a_repeated_failure_is_logged_when_it_begins_and_when_it_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    incident = Incident("it begins", "it is over")
    for now in range(5):
        incident.occurred(float(now), OSError(now, "why"))
        incident.check(now + 0.5)
    assert caplog.messages == ["it begins"]
    incident.check(4 + QUIET_SECONDS)
    incident.check(5 + QUIET_SECONDS)
    assert caplog.messages == ["it begins", "it is over"]
    assert (vars(caplog.records[1])["times"], vars(caplog.records[1])["seconds"]) == (5, 4.0)
    incident.occurred(100.0)
    assert caplog.messages[2:] == ["it begins"]


@pytest.mark.parametrize("number", [errno.ECONNABORTED, errno.EPROTO, errno.EHOSTUNREACH])
def test_an_aborted_connection_is_skipped_and_not_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    assert answered_after_failures(monkeypatch, number) == 200
    assert caplog.messages == []


@pytest.mark.parametrize("number", [errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EPERM])
def test_a_failure_to_accept_is_logged_once_and_accepting_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    assert answered_after_failures(monkeypatch, number) == 200
    assert caplog.messages == [FULL]


def answered_after_failures(monkeypatch: pytest.MonkeyPatch, number: int) -> int:
    """Let a server fail to accept a few times; return the status of the final answer."""
    accept = socket.socket.accept
    failures = [OSError(number, os.strerror(number))] * 5

    def failing(listener: socket.socket) -> object:
        if failures:
            raise failures.pop()
        return accept(listener)

    monkeypatch.setattr(socket.socket, "accept", failing)
    with served(new_server()) as port, connected_to("127.0.0.1", port) as wire:
        wire.send(HEALTH)
        return wire.receive().status


def test_a_connection_that_epoll_cannot_register_is_closed_and_the_next_is_answered(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fill_epoll(monkeypatch, room=4)  # The listener, Waitress's own pipe and two clients.
    with served(new_server()) as port, ExitStack() as stack:
        kept = [stack.enter_context(connected_to("127.0.0.1", port)) for _ in range(2)]
        for wire in kept:
            wire.send(get("/health"))
            assert wire.receive().status == 200
        for _ in range(3):
            with connected_to("127.0.0.1", port) as wire:
                assert wire.rest() == b""
        kept[0].send(HEALTH)
        assert kept[0].receive().status == 200
        assert kept[0].rest() == b""
        with connected_to("127.0.0.1", port) as wire:
            wire.send(get("/orders/any"))
            assert wire.receive().status == 404
    assert caplog.messages == [FULL]


def test_a_defect_while_accepting_does_not_close_the_listening_socket(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class DefectError(Exception): ...

    scoreboard = Scoreboard(1)
    failures = [DefectError(), DefectError()]

    class DefectiveSlot(Slot):
        def may_accept(self, connections: int) -> bool:
            if failures:
                raise failures.pop()
            return super().may_accept(connections)

    store = MemoryStore()
    application = create_app(store, HttpSettings("USD", HostRule()))
    slot = DefectiveSlot(scoreboard, 0)
    server = GatheringServer(application, store, listen("127.0.0.1", 0), slot)
    with served(server) as port, connected_to("127.0.0.1", port) as wire:
        wire.send(HEALTH)
        assert wire.receive().status == 200
    assert caplog.messages == ["connections could not be accepted"] * 2
    assert "DefectError" in caplog.text


def test_connections_above_the_limit_wait_and_are_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with served(new_server(Limits(connections=4))) as port, ExitStack() as stack:
        kept = [stack.enter_context(connected_to("127.0.0.1", port)) for _ in range(2)]
        for _ in range(5):
            for wire in kept:
                wire.send(get("/health"))
                assert wire.receive().status == 200
            with connected_to("127.0.0.1", port) as waiting:
                waiting.send(HEALTH)
                kept.pop().send(HEALTH)
                assert waiting.receive().status == 200
            kept.append(stack.enter_context(connected_to("127.0.0.1", port)))
    assert [message.partition(":")[0] for message in caplog.messages] == [
        "the connection limit is reached"
    ]
