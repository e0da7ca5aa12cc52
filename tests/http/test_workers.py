"""Several worker processes: they share the connections, and each can fail."""

import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import pytest

from orders_http.server.scoreboard import slack
from tests.http.hostile_requests import get
from tests.http.traffic import Traffic, stored
from tests.http.wire import connected
from tests.postgres_server import wait_until
from tests.service_process import RunningService, running_service

RESTARTS = 50
BURST = 500
WORKERS = ("worker-0", "worker-1")
KEPT_ALIVE = get("/health")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    """A service of two workers."""
    with running_service(f"sqlite:///{tmp_path}/orders.db", {"ORDERS_WORKERS": "2"}) as running:
        yield running


def sockets_of(pid: int) -> int:
    """Count the open sockets of a process."""
    files = Path(f"/proc/{pid}/fd").iterdir()
    return sum(str(file.readlink()).startswith("socket:") for file in files)


def sockets(service: RunningService) -> Mapping[str, int]:
    return {name: sockets_of(service.children[name]) for name in WORKERS}


def has_acknowledged(traffic: Traffic, orders: int) -> bool:
    return len(traffic.acknowledged) >= orders


def test_each_worker_and_the_operations_have_a_process(service: RunningService) -> None:
    assert set(service.children) == {*WORKERS, "operations"}


def test_connections_are_shared_evenly(service: RunningService) -> None:
    before = sockets(service)
    with ExitStack() as stack:
        for _ in range(40):
            wire = stack.enter_context(connected(service))
            wire.send(KEPT_ALIVE)
            assert wire.receive().status == 200
        held = [sockets(service)[name] - before[name] for name in WORKERS]
        assert sum(held) == 40
        assert max(held) - min(held) <= slack(min(held)) + 1


def test_a_burst_of_connections_is_accepted_without_delay(
    service: RunningService,
) -> None:
    before = sum(sockets(service).values())
    with ExitStack() as stack:
        for _ in range(BURST):
            stack.enter_context(connected(service))
        # It would take longer if a worker slept after leaving a connection to the other.
        wait_until(lambda: sum(sockets(service).values()) == before + BURST)
        held = sockets(service)
        assert max(held.values()) - min(held.values()) <= slack(min(held.values())) + 1


def test_a_killed_worker_loses_only_its_own_connections(
    service: RunningService,
) -> None:
    pids = service.children
    with ExitStack() as stack:
        wires = [stack.enter_context(connected(service)) for _ in range(10)]
        for wire in wires:
            wire.send(KEPT_ALIVE)
            assert wire.receive().status == 200
        service.kill_child("worker-0")
        answered = 0
        for wire in wires:
            with suppress(OSError, EOFError):
                wire.send(KEPT_ALIVE)
                answered += wire.receive().status == 200
        assert answered >= 4
    assert service.children["worker-1"] == pids["worker-1"]


def test_killing_workers_one_after_another_loses_nothing(
    service: RunningService,
) -> None:
    acknowledged: dict[str, str] = {}
    for name in ("first", "second", "third", "fourth"):
        traffic = Traffic(service, name)
        traffic.start()
        wait_until(partial(has_acknowledged, traffic, 50))
        service.kill_child("worker-0")
        traffic.join()
        assert traffic.unexpected == []
        acknowledged |= traffic.acknowledged
        assert acknowledged.items() <= stored(service).items()


def test_workers_whose_parent_is_killed_finish_their_requests_and_end(
    service: RunningService,
) -> None:
    with connected(service) as wire, connected(service) as idle:
        wire.send(KEPT_ALIVE[:10])
        idle.send(KEPT_ALIVE)
        assert idle.receive().status == 200
        service.send_signal(signal.SIGKILL)
        assert idle.rest() == b"", "an idle connection is closed"
        wire.send(KEPT_ALIVE[10:])
        assert wire.receive().status == 200
        assert wire.rest() == b""
    service.kill()
    service.start(port=service.port)


def test_50_restarts_on_an_inherited_socket_fail_no_request(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0), backlog=100) as listener,
        running_service(f"sqlite:///{tmp_path}/orders.db", listener=listener) as service,
    ):
        assert service.port == listener.getsockname()[1]
        traffic = Traffic(service)
        traffic.start()
        for restart in range(RESTARTS):
            wait_until(partial(has_acknowledged, traffic, 10 * restart))
            service.stop()
            service.start()
        traffic.join()
        traffic.assert_each_created()
        assert stored(service) == traffic.acknowledged
