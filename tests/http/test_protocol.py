"""What holds at every path: methods, hosts, paths and errors."""

from pathlib import Path

import pytest

from orders_http.api.application import HttpSettings, create_app
from orders_http.api.hosts import HostRule
from orders_http.api.observer import Unobserved
from orders_http.api.routes import PATHS
from orders_memory import MemoryStore
from orders_sqlite import SqliteStore
from tests.http.wsgi_client import WsgiClient

ALLOW = {
    "/": "GET, HEAD, OPTIONS, POST",
    "/login": "GET, HEAD, OPTIONS, POST",
    "/logout": "OPTIONS, POST",
    "/orders": "GET, HEAD, OPTIONS, POST",
    "/orders/A-1": "GET, HEAD, OPTIONS",
    "/favicon.svg": "GET, HEAD, OPTIONS",
    "/health": "GET, HEAD, OPTIONS",
    "/openapi.json": "GET, HEAD, OPTIONS",
}
READABLE = [path for path, allow in ALLOW.items() if "GET" in allow]
EVERY_PATH = pytest.mark.parametrize(("path", "allow"), ALLOW.items())


@pytest.fixture
def client(client: WsgiClient) -> WsgiClient:
    """A client of an application with one order."""
    client.post('{"id":"A-1","amount":12.30}')
    return client


def test_health_is_exactly_this(client: WsgiClient) -> None:
    answer = client.get("/health")
    assert (answer.status, answer.body) == (200, b'{"status":"ok"}')
    assert answer.headers["content-type"] == "application/json"


def test_every_path_is_tested_here() -> None:
    assert {path.replace("<id>", "A-1") for path in PATHS} == set(ALLOW)


@EVERY_PATH
def test_options_lists_the_methods(client: WsgiClient, path: str, allow: str) -> None:
    answer = client.request("OPTIONS", path)
    assert (answer.status, answer.body, answer.headers["allow"]) == (204, b"", allow)


@EVERY_PATH
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE"])
def test_an_unsupported_method_gets_405_with_allow(
    client: WsgiClient,
    path: str,
    allow: str,
    method: str,
) -> None:
    answer = client.request(method, path)
    assert (answer.status, answer.problem()) == (405, "method-not-allowed")
    assert answer.headers["allow"] == allow
    assert method in answer.json()["detail"]


def test_posting_to_an_order_is_refused(client: WsgiClient) -> None:
    answer = client.post("{}", target="/orders/A-1")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize(
    "target",
    [*READABLE, "/orders/A-2", "/orders?limit=0", "/orders?id=A-1", "/nothing", "/%FF"],
)
def test_head_has_the_headers_of_get_and_no_body(client: WsgiClient, target: str) -> None:
    get, head = client.get(target), client.request("HEAD", target)
    assert (head.status, head.headers, head.body) == (get.status, get.headers, b"")
    assert head.headers["content-length"] == str(len(get.body))


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/orders/", "/Orders", "/health/", "/health%0A", "/orders%2FA-1%00x", "/.", "/ö"],
)
def test_an_unknown_path_is_not_found(client: WsgiClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status == 404
    assert answer.problem() in {"not-found", "order-not-found"}


@pytest.mark.parametrize("path", ["/orders/%FFabc", "/%C0%AF", "/orders/%ED%A0%80", "/orders/%E2"])
def test_a_path_that_is_not_utf_8_is_refused(client: WsgiClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status, answer.problem()) == (400, "malformed-request")


@pytest.mark.parametrize("host", ["shop.example", "localhost.shop.example", "127.0.0.1.nip.io"])
@EVERY_PATH
def test_a_host_that_is_not_served_is_refused_everywhere(
    client: WsgiClient,
    path: str,
    allow: str,
    host: str,
) -> None:
    for method in allow.split(", "):
        answer = client.request(method, path, headers={"Host": host})
        assert answer.status == 421
        assert method == "HEAD" or answer.problem() == "misdirected-request"


def test_a_malformed_host_is_refused(client: WsgiClient) -> None:
    assert client.get("/health", Host="a/b").problem() == "malformed-request"


def test_a_request_in_http_1_0_needs_no_host() -> None:
    application = create_app(MemoryStore(), HttpSettings("USD", HostRule()))

    def without_host(environ: dict[str, object], start_response: object) -> object:
        del environ["HTTP_HOST"]
        return application(environ, start_response)  # type: ignore[arg-type]  # passed on

    assert WsgiClient(without_host).get("/health").status == 200  # type: ignore[arg-type]


@pytest.mark.parametrize("target", [*PATHS, "/nothing", "/%FF", "/orders/x"])
def test_browsers_must_not_guess_the_media_type(client: WsgiClient, target: str) -> None:
    assert client.get(target).headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("method", "target", "body", "content_type"),
    [
        ("GET", "/orders", "", ""),
        ("GET", "/orders?id=A-1", "", ""),
        ("GET", "/orders/A-1", "", ""),
        ("POST", "/orders", '{"id":"A-1","amount":1}', "application/json"),
        ("POST", "/orders", '{"id":"A-1","amount":1}', "application/x-ndjson"),
        ("POST", "/orders", "id,amount\nA-1,1", "text/csv"),
    ],
)
def test_an_unavailable_store_gets_503_with_retry_after(
    client_of_store_away: WsgiClient,
    method: str,
    target: str,
    body: str,
    content_type: str,
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    answer = client_of_store_away.request(method, target, body.encode(), headers)
    assert (answer.status, answer.problem()) == (503, "store-unavailable")
    assert answer.headers["retry-after"] == "1"
    assert "no such folder" not in answer.body.decode(), "the reason is for the log alone"


@pytest.mark.parametrize("target", ["/health", "/openapi.json", "/favicon.svg"])
def test_endpoints_without_the_store_work_while_it_is_unavailable(
    client_of_store_away: WsgiClient,
    target: str,
) -> None:
    assert client_of_store_away.get(target).status == 200


def test_a_store_that_comes_back_is_used_again(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    store = SqliteStore(folder / "orders.db")
    client = WsgiClient(create_app(store, HttpSettings("USD", HostRule())))
    assert client.get("/orders").status == 503
    folder.mkdir()
    assert client.get("/orders").status == 200
    store.close()


class Observed(Unobserved):
    """Remembers every answer."""

    def __init__(self) -> None:
        self.begun = 0
        self.answered: list[tuple[str, str, int]] = []

    def request_begun(self) -> None:
        self.begun += 1

    def request_answered(self, route: str, method: str, status: int, seconds: float) -> None:
        assert seconds >= 0
        self.answered.append((route, method, status))
        assert self.begun == len(self.answered)


def test_every_request_is_observed_with_labels_of_a_small_set() -> None:
    observed = Observed()
    application = create_app(MemoryStore(), HttpSettings("USD", HostRule()), observed)
    client = WsgiClient(application)
    client.get("/orders/A-1")
    client.get("/orders/A-2%2FB")
    client.get("/nothing")
    client.get("/%FF")
    client.request("DELETE", "/orders")
    client.request("HEAD", "/health")
    assert observed.answered == [
        ("/orders/<id>", "GET", 404),
        ("/orders/<id>", "GET", 404),
        ("(none)", "GET", 404),
        ("(none)", "GET", 400),
        ("(none)", "(other)", 405),
        ("/health", "HEAD", 200),
    ]


def test_a_defect_gets_500_and_is_logged_with_the_request_id(
    caplog: pytest.LogCaptureFixture,
) -> None:
    observed = Observed()

    class DefectError(Exception): ...

    class DefectiveStore(MemoryStore):
        def page(self, *_arguments: object, **_options: object) -> tuple[()]:
            raise DefectError

    application = create_app(DefectiveStore(), HttpSettings("USD", HostRule()), observed)
    answer = WsgiClient(application).get("/orders", X_Request_Id="of-a-defect")
    assert (answer.status, answer.problem()) == (500, "internal-error")
    assert b"DefectError" not in answer.body
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[0] is DefectError
    assert vars(record)["request_id"] == "of-a-defect"
    assert observed.answered == [("/orders", "GET", 500)]
