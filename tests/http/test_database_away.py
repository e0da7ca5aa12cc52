"""The running service while PostgreSQL is away, and when it is back."""

import json
from collections.abc import Iterator
from http.client import HTTPResponse

import pytest

from tests.postgres_server import OrdersDatabase, PostgresServer, wait_until
from tests.service_process import RunningService, running_service

ORDER = '{"id":"A-1","amount":12.30}'
JSON = {"Content-Type": "application/json"}
NDJSON = {"Content-Type": "application/x-ndjson"}
CSV = {"Content-Type": "text/csv"}
REQUESTS: tuple[tuple[str, str, str, dict[str, str]], ...] = (
    ("GET", "/orders", "", {}),
    ("GET", "/orders/A-1", "", {}),
    ("GET", "/orders?id=A-1", "", {}),
    ("POST", "/orders", ORDER, JSON),
    ("POST", "/orders", ORDER, NDJSON),
    ("POST", "/orders", "id,amount\nA-1,12.30", CSV),
)


@pytest.fixture
def database(own_server: PostgresServer) -> OrdersDatabase:
    """A database on it, migrated and empty."""
    return own_server.new_database()


@pytest.fixture
def service(database: OrdersDatabase) -> Iterator[RunningService]:
    """A service on it."""
    with running_service(database.server.url_text(database.name)) as running:
        yield running


def send(
    service: RunningService,
    method: str,
    target: str,
    body: str = "",
    headers: dict[str, str] | None = None,
) -> tuple[HTTPResponse, bytes]:
    connection = service.connect()
    connection.request(method, target, body or None, headers or {})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response, content


def readiness(service: RunningService) -> tuple[int, dict[str, object]]:
    connection = service.connect_operations()
    connection.request("GET", "/readyz")
    response = connection.getresponse()
    content = json.loads(response.read())
    connection.close()
    return response.status, content


def test_every_route_asks_to_retry_and_the_service_recovers_by_itself(
    own_server: PostgresServer,
    service: RunningService,
) -> None:
    assert send(service, "POST", "/orders", ORDER, JSON)[0].status == 201
    own_server.stop()
    try:
        for method, target, body, headers in REQUESTS:
            response, content = send(service, method, target, body, headers)
            assert response.status == 503, (method, target)
            assert response.getheader("Content-Type") == "application/problem+json"
            assert response.getheader("Retry-After") == "1"
            assert json.loads(content)["type"] == "urn:problem-type:orders:store-unavailable"
        response, content = send(service, "GET", "/")
        assert response.status == 503
        assert response.getheader("Retry-After") == "1"
        assert (response.getheader("Content-Type") or "").startswith("text/html")
        for target in ("/health", "/openapi.json", "/favicon.svg"):
            assert send(service, "GET", target)[0].status == 200
        status, reasons = readiness(service)
        assert (status, reasons["status"]) == (503, "not ready")
        assert "store: " in str(reasons["reasons"])
    finally:
        own_server.start()
    wait_until(lambda: readiness(service)[0] == 200)
    wait_until(lambda: send(service, "GET", "/orders/A-1")[0].status == 200)
    response, content = send(service, "POST", "/orders", ORDER, JSON)
    assert (response.status, response.getheader("Idempotent-Replayed")) == (200, "true")
    response, content = send(service, "GET", "/orders")
    assert content == b'[{"id":"A-1","amount":12.30}]'
    logged = {json.loads(line)["message"] for line in service.errors().splitlines()}
    assert {"store unavailable", "store available again"} <= logged


def test_a_service_that_starts_without_its_database_waits_for_it(
    own_server: PostgresServer,
    database: OrdersDatabase,
) -> None:
    own_server.stop()
    try:
        service = RunningService(own_server.url_text(database.name))
        service.start()
        assert send(service, "GET", "/orders")[0].status == 503
        assert readiness(service)[0] == 503
    finally:
        own_server.start()
    wait_until(lambda: readiness(service)[0] == 200)
    wait_until(lambda: send(service, "GET", "/orders")[0].status == 200)
    service.stop()
    service.close()


def test_no_answer_and_no_log_contains_the_password(
    own_server: PostgresServer,
    service: RunningService,
) -> None:
    own_server.stop()
    try:
        _, content = send(service, "GET", "/orders")
        probe = str(readiness(service))
    finally:
        own_server.start()
    for text in (content.decode(), probe, service.errors()):
        assert "p@ss" not in text
        assert "p%40ss" not in text
