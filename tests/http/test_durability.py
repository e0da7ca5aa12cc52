"""Acknowledged orders are kept, and accepted requests answered, however the service ends."""

import json
import signal
import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from orders_cli.exits import Exit
from tests.http.hostile_requests import get
from tests.http.traffic import CLIENTS, Traffic, stored
from tests.http.wire import Wire, connected
from tests.postgres_server import wait_until
from tests.service_process import RunningService, running_service

HEALTH = get("/health")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    """A separate service for each test, which will stop it."""
    with running_service(f"sqlite:///{tmp_path}/orders.db") as running:
        yield running


def test_a_kill_loses_no_acknowledged_order(service: RunningService) -> None:
    traffic = Traffic(service)
    traffic.start()
    wait_until(lambda: len(traffic.acknowledged) >= 200)
    service.kill()
    traffic.join()
    service.start()
    found = stored(service)
    assert traffic.unexpected == []
    assert traffic.acknowledged.items() <= found.items()
    # Each client may have had one order under way.
    assert len(found) <= len(traffic.acknowledged) + CLIENTS


def test_a_stop_under_load_loses_nothing_and_duplicates_nothing(
    service: RunningService,
) -> None:
    traffic = Traffic(service)
    traffic.start()
    wait_until(lambda: len(traffic.acknowledged) >= 200)
    service.stop()
    traffic.join()
    service.start()
    assert traffic.unexpected == []
    # Every accepted request was answered, so both sides agree.
    assert stored(service) == traffic.acknowledged


@pytest.mark.parametrize("replace_worker", [False, True])
def test_a_worker_whose_file_is_gone_before_its_first_order_does_not_create_another(
    service: RunningService,
    tmp_path: Path,
    *,
    replace_worker: bool,
) -> None:
    """Its orders would be lost when the original file is put back."""
    away = tmp_path / "away"
    away.mkdir()
    for file in tmp_path.glob("orders.db*"):
        file.rename(away / file.name)
    if replace_worker:
        service.kill_child("worker-0")
    assert (placed(service), list(tmp_path.glob("orders.db*"))) == (503, [])
    for file in away.iterdir():
        file.rename(tmp_path / file.name)
    assert placed(service) == 201


def placed(service: RunningService) -> int:
    connection = service.connect()
    connection.request(
        "POST", "/orders", '{"id":"A","amount":1}', {"Content-Type": "application/json"}
    )
    status = connection.getresponse().status
    connection.close()
    return status


def test_requests_begun_before_the_stop_are_answered(service: RunningService) -> None:
    body = '{"id":"A","amount":1}'
    head = (
        "POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    request = (head + body).encode()
    with connected(service) as one, connected(service) as other, connected(service) as idle:
        one.send(request[:20])
        other.send(request[:-1])
        wait_until_read(idle)
        service.send_signal(signal.SIGTERM)
        assert idle.rest() == b"", "an idle connection is closed"
        one.send(request[20:])
        other.send(request[-1:])
        responses = [one.receive(), other.receive()]
        assert sorted(response.status for response in responses) == [200, 201]
        assert all(response.closes for response in responses)
        assert one.rest() == other.rest() == b""
    assert service.wait() == 0
    assert "Traceback" not in service.errors()


def test_a_stopping_service_accepts_no_new_connection_and_is_not_ready(
    service: RunningService,
) -> None:
    with connected(service) as wire, connected(service) as idle:
        wire.send(HEALTH[:10])
        wait_until_read(idle)
        service.send_signal(signal.SIGTERM)
        wait_until(lambda: not accepts(service))
        probe = service.connect_operations()
        assert ready(probe) == (503, {"status": "not ready", "reasons": ["stopping"]})
        assert live(probe) == 200
        probe.close()
        wire.send(HEALTH[10:])
        assert wire.receive().status == 200
    assert service.wait() == 0


def wait_until_read(wire: Wire) -> None:
    """Send a request and read its answer: by then the server has read what was sent before it."""
    wire.send(HEALTH)
    assert wire.receive().status == 200


def accepts(service: RunningService) -> bool:
    try:
        socket.create_connection((service.host, service.port), timeout=5).close()
    except (ConnectionRefusedError, ConnectionResetError):
        return False
    return True


def ready(probe: HTTPConnection) -> tuple[int, object]:
    probe.request("GET", "/readyz")
    response = probe.getresponse()
    return response.status, json.loads(response.read())


def live(probe: HTTPConnection) -> int:
    probe.request("GET", "/livez")
    response = probe.getresponse()
    response.read()
    return response.status


def test_a_second_signal_ends_the_service_at_once(service: RunningService) -> None:
    with connected(service) as wire, connected(service) as idle:
        wire.send(HEALTH[:10])
        wait_until_read(idle)
        service.send_signal(signal.SIGTERM)
        wait_until(lambda: not accepts(service))
        service.send_signal(signal.SIGTERM)
        assert service.wait() == Exit.INTERRUPTED
