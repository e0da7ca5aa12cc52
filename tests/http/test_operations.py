"""The operations listener: liveness, readiness, metrics."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from orders_core import OrderStore
from orders_http.api.operations import Operations
from orders_http.api.problems import ProblemType
from orders_memory import MemoryStore
from orders_service.composition import REQUEST_LABELS
from orders_sqlite import SqliteStore
from tests.http.hostile_requests import HOST, head
from tests.http.wire import connected_to
from tests.http.wsgi_client import WsgiClient
from tests.service_process import RunningService


def operations(store: OrderStore, *, stopping: bool = False) -> WsgiClient:
    return WsgiClient(Operations(store, lambda: stopping, lambda: b"# none\n"))


def test_a_running_process_is_live_whatever_the_store_does(tmp_path: Path) -> None:
    for store in (MemoryStore(), SqliteStore(tmp_path / "no such folder" / "orders.db")):
        for stopping in (False, True):
            answer = operations(store, stopping=stopping).get("/livez")
            assert (answer.status, answer.json()) == (200, {"status": "live"})


def test_a_service_is_ready_if_its_store_answers() -> None:
    answer = operations(MemoryStore()).get("/readyz")
    assert (answer.status, answer.json()) == (200, {"status": "ready"})


def test_a_service_is_not_ready_if_its_store_is_unavailable_and_says_why(tmp_path: Path) -> None:
    answer = operations(SqliteStore(tmp_path / "no such folder" / "orders.db")).get("/readyz")
    assert (answer.status, answer.json()["status"]) == (503, "not ready")
    (reason,) = answer.json()["reasons"]
    assert reason.startswith("store: unreachable: ")


def test_a_stopping_service_is_not_ready_whatever_the_store_does() -> None:
    answer = operations(MemoryStore(), stopping=True).get("/readyz")
    assert (answer.status, answer.json()) == (503, {"status": "not ready", "reasons": ["stopping"]})


def test_head_is_get_without_the_body() -> None:
    client = operations(MemoryStore())
    for path in ("/livez", "/readyz", "/metrics", "/nothing"):
        get, head = client.get(path), client.request("HEAD", path)
        assert (head.status, head.headers, head.body) == (get.status, get.headers, b"")


def test_anything_else_is_refused() -> None:
    client = operations(MemoryStore())
    nothing = client.get("/orders")
    assert (nothing.status, nothing.problem()) == (404, "not-found")
    assert "/livez, /readyz, /metrics" in nothing.json()["detail"]
    refused = client.post("", target="/livez")
    assert (refused.status, refused.problem()) == (405, "method-not-allowed")
    assert refused.headers["allow"] == "GET, HEAD"


def test_the_metrics_are_of_prometheus_text_format() -> None:
    answer = operations(MemoryStore()).get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.body == b"# none\n"


Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def operations_connection(sqlite_service: RunningService) -> Iterator[HTTPConnection]:
    """A client of the operations listener of a running service."""
    connection = sqlite_service.connect_operations()
    yield connection
    connection.close()


def scraped(connection: HTTPConnection) -> Samples:
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def send(service: RunningService, method: str, target: str, body: str = "") -> None:
    connection = service.connect()
    connection.request(method, target, body or None, {"Content-Type": "application/json"})
    connection.getresponse().read()
    connection.close()


def test_the_orders_listener_has_no_operations(sqlite_service: RunningService) -> None:
    for path in ("/livez", "/readyz", "/metrics"):
        connection = sqlite_service.connect()
        connection.request("GET", path)
        assert connection.getresponse().status == 404
        connection.close()


def test_every_request_is_counted_by_route_method_and_status(
    sqlite_service: RunningService,
    operations_connection: HTTPConnection,
) -> None:
    before = scraped(operations_connection)
    send(sqlite_service, "POST", "/orders", '{"id":"metrics","amount":1}')
    send(sqlite_service, "GET", "/orders/metrics")
    after = scraped(operations_connection)
    for route, method, status in (("/orders", "POST", "201"), ("/orders/<id>", "GET", "200")):
        labels = (("method", method), ("route", route), ("status", status))
        key = ("orders_http_request_duration_seconds_count", labels)
        assert after[key] - before.get(key, 0) == 1
    created = ("orders_store_orders_total", (("outcome", "created"),))
    assert after[created] - before.get(created, 0) == 1


def test_every_route_and_every_status_has_a_label(client: WsgiClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert {path.replace("{", "<").replace("}", ">") for path in paths} <= set(
        REQUEST_LABELS.routes
    )
    statuses = {
        status
        for path in paths.values()
        for part in path.values()
        if isinstance(part, dict)
        for status in part["responses"]
    }
    statuses |= {str(each.status.value) for each in ProblemType}
    assert statuses <= set(map(str, REQUEST_LABELS.statuses))


def test_no_client_can_create_labels(
    sqlite_service: RunningService,
    operations_connection: HTTPConnection,
) -> None:
    def labels() -> set[tuple[tuple[str, str], ...]]:
        return {
            labels
            for name, labels in scraped(operations_connection)
            if name == "orders_http_request_duration_seconds_count"
        }

    def provoke(name: str) -> None:
        for target in (f"/{name}", f"/orders/{name}", f"/orders?id={name}", f"/orders?{name}=1"):
            for method in ("GET", f"X{name}", "DELETE"):
                send(sqlite_service, method, target)

    provoke("A")
    before = labels()
    for name in "BCDEF":
        provoke(name)
    assert labels() == before
    methods = {dict(each)["method"] for each in before}
    assert methods <= {"GET", "HEAD", "POST", "OPTIONS", "(other)"}


def test_the_probes_of_a_running_service_answer(operations_connection: HTTPConnection) -> None:
    for path, expected in (("/livez", {"status": "live"}), ("/readyz", {"status": "ready"})):
        operations_connection.request("GET", path)
        response = operations_connection.getresponse()
        assert (response.status, json.loads(response.read())) == (200, expected)


def test_the_operations_listener_refuses_malformed_requests(
    sqlite_service: RunningService,
) -> None:
    with connected_to(sqlite_service.host, sqlite_service.operations_port) as wire:
        wire.send(head("GET /livez HTTP/1.1", HOST, HOST))
        response = wire.receive()
        assert (response.status, response.problem()) == (400, "malformed-request")
