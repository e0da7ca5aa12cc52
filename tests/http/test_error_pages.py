"""Errors as pages for people; errors are not cached."""

from typing import Final

import pytest

from orders_core import Order, OrderId, Reason, StoreUnavailable
from orders_http.api.application import HttpSettings, create_app
from orders_http.api.hosts import HostRule
from orders_memory import MemoryStore
from tests.http.wire import connected
from tests.http.wsgi_client import WsgiClient
from tests.service_process import running_service

BROWSER: Final = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
WRONG: Final = pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/orders/A-9", 404),
        ("GET", "/orders?limit=0", 400),
        ("GET", "/%FF", 400),
        ("DELETE", "/orders", 405),
        ("POST", "/orders", 415),
        ("GET", "/login", 404),
    ],
)


@WRONG
def test_a_browser_gets_an_error_as_a_page_with_the_same_status(
    client: WsgiClient, method: str, target: str, status: int
) -> None:
    page = client.request(method, target, b"", {"Accept": BROWSER})
    assert (page.status, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert page.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert b"<h1>" in page.body
    assert b'<a href="/">Show the orders</a>' in page.body


def test_the_page_has_the_headers_of_the_problem(client: WsgiClient) -> None:
    page = client.request("DELETE", "/orders", b"", {"Accept": BROWSER})
    assert (page.status, page.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")
    assert b"DELETE is not allowed at /orders" in page.body


def test_markup_in_a_path_is_text_on_the_page(client: WsgiClient) -> None:
    page = client.get("/%3Cscript%3E", Accept=BROWSER)
    assert b"<script>" not in page.body
    assert b"there is nothing at /&lt;script&gt;" in page.body


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "*/*",
        "application/json",
        "application/json, text/html",
        "text/html;q=0.5, application/json",
        "text/html;q=0.5, application/problem+json",
        "text/html;q=0.5, */*",
        "text/html;q=0.5, application/*;q=0.6",
        "text/html;q=0",
        "text/*",
        "text/html;q=x",
    ],
)
def test_a_program_gets_an_error_as_a_problem(client: WsgiClient, accept: str | None) -> None:
    headers = {} if accept is None else {"Accept": accept}
    answer = client.request("GET", "/nothing", b"", headers)
    assert answer.problem() == "not-found"


@pytest.mark.parametrize(
    "accept",
    [
        BROWSER,
        "TEXT/HTML",
        "text/html;level=1",
        "application/json;q=0.9, text/html",
        "text/html, */*",
    ],
)
def test_the_accept_headers_of_browsers_get_a_page(client: WsgiClient, accept: str) -> None:
    assert b"<h1>" in client.get("/nothing", Accept=accept).body


@WRONG
def test_errors_are_not_cached(client: WsgiClient, method: str, target: str, status: int) -> None:
    answer = client.request(method, target)
    assert (answer.status, answer.headers["cache-control"]) == (status, "no-store")


class Broken(MemoryStore):
    """A store that is unavailable for one id, and defective for others."""

    def get(self, ids: object) -> tuple[Order | None, ...]:
        if ids == [OrderId("away")]:
            raise StoreUnavailable(Reason.UNREACHABLE, "away")
        raise RuntimeError


@pytest.mark.parametrize(("order_id", "status"), [("away", 503), ("defect", 500)])
def test_failures_of_the_service_are_shown_as_pages_too(order_id: str, status: int) -> None:
    client = WsgiClient(create_app(Broken(), HttpSettings("USD", HostRule())))
    page = client.get(f"/orders/{order_id}", Accept=BROWSER)
    assert (page.status, page.headers["cache-control"]) == (status, "no-store")
    assert b"<h1>" in page.body
    assert client.get(f"/orders/{order_id}").headers["cache-control"] == "no-store"


def test_a_request_refused_by_the_server_gets_a_page_too(tmp_path: object) -> None:
    with running_service(f"sqlite:///{tmp_path}/orders.db") as service:
        for fields, expected in ((f"Accept: {BROWSER}", b"<h1>"), ("Accept: */*", b'"detail"')):
            with connected(service) as wire:
                wire.send(
                    f"POST /orders HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n"
                    "Content-Length: 9999999\r\n\r\n".encode()
                )
                answer = wire.receive()
                assert (answer.status, answer.headers["cache-control"]) == (413, "no-store")
                assert expected in answer.body
