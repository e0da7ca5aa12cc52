"""Request ids: every answer has one, the client's own if it is valid."""

import re
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders_http.api.application import HttpSettings, create_app
from orders_http.api.hosts import HostRule
from orders_http.api.request_ids import RequestIds, traceparent
from orders_memory import MemoryStore
from tests.http.hostile_requests import HOST, get, head
from tests.http.wire import connected
from tests.http.wsgi_client import WsgiClient
from tests.service_process import RunningService

MADE: Final = re.compile(r"[0-9a-f]{12}-[0-9]+")
TRACE: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN: Final = "00f067aa0ba902b7"


@given(st.from_regex(r"[A-Za-z0-9-]{1,64}", fullmatch=True))
def test_a_valid_id_from_the_client_is_used(name: str) -> None:
    assert RequestIds().of({"HTTP_X_REQUEST_ID": name}) == name


@given(st.text().filter(lambda text: not re.fullmatch(r"[A-Za-z0-9-]{1,64}", text)))
def test_an_invalid_id_from_the_client_is_replaced(name: str) -> None:
    assert MADE.fullmatch(RequestIds().of({"HTTP_X_REQUEST_ID": name}))


@pytest.mark.parametrize("name", ["a" * 65, "a\n", "a b", "ä", "", "a_b", '"', "٣"])
def test_these_ids_are_invalid(name: str) -> None:
    assert MADE.fullmatch(RequestIds().of({"HTTP_X_REQUEST_ID": name}))


def test_generated_ids_are_unique() -> None:
    processes = [RequestIds() for _ in range(10)]
    assert len({ids.of({}) for ids in processes for _ in range(100)}) == 1_000


@pytest.mark.parametrize("target", ["/orders", "/nothing", "/orders?limit=0", "/%FF", "/"])
def test_every_answer_has_the_id_of_its_request(client: WsgiClient, target: str) -> None:
    for method in ("GET", "HEAD", "OPTIONS", "DELETE", "POST"):
        answer = client.request(method, target, headers={"X-Request-Id": "mine-1"})
        assert answer.headers["x-request-id"] == "mine-1"


def test_the_503_of_an_unavailable_store_has_it_too(client_of_store_away: WsgiClient) -> None:
    for target in ("/orders", "/orders/A-1", "/"):
        answer = client_of_store_away.get(target, X_Request_Id="mine-2")
        assert (answer.status, answer.headers["x-request-id"]) == (503, "mine-2")


def test_a_request_without_an_id_gets_one() -> None:
    application = create_app(MemoryStore(), HttpSettings("USD", HostRule()))
    client = WsgiClient(application, {"HTTP_X_REQUEST_ID": ""})
    first, second = (client.get("/health").headers["x-request-id"] for _ in range(2))
    assert MADE.fullmatch(first)
    assert first != second


def test_an_error_from_the_server_has_one_too(sqlite_service: RunningService) -> None:
    named = "X-Request-Id: mine-3"
    too_large = head("POST /orders HTTP/1.1", HOST, named, "Content-Length: 99999999")
    for raw, status, expected in (
        (too_large, 413, re.compile("mine-3")),
        # Its headers could not be parsed, so they are ignored.
        (head("GET /health HTTP/1.1", HOST, HOST, named), 400, MADE),
        (get("/health", f"X-Long: {'a' * 17_000}"), 431, MADE),
    ):
        with connected(sqlite_service) as wire:
            wire.send(raw)
            answer = wire.receive()
        assert answer.status == status
        assert expected.fullmatch(answer.headers["x-request-id"])


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01"),
        (f"00-{TRACE}-{SPAN}-ff", f"00-{TRACE}-{SPAN}-ff"),
        (f"cc-{TRACE}-{SPAN}-01", f"cc-{TRACE}-{SPAN}-01"),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like", f"cc-{TRACE}-{SPAN}-01"),
        (f"cc-{TRACE}-{SPAN}-01.what", None),
        (f"00-{TRACE}-{SPAN}-01-what", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN}-1", None),
        (f"00-{TRACE}-{SPAN}-01\n", None),
        (f" 00-{TRACE}-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN}-01, 00-{TRACE}-{SPAN}-01", None),
        ("", None),
    ],
)
def test_only_a_valid_traceparent_is_kept(given: str, kept: str | None) -> None:
    assert traceparent({"HTTP_TRACEPARENT": given}) == kept


def test_a_request_without_a_traceparent_has_none() -> None:
    assert traceparent({}) is None
