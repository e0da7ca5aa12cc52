"""`GET /orders`: pages by id, in three media types."""

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders_core import MAX_PAGE, Order, OrderId
from orders_http.api.application import HttpSettings, create_app
from orders_http.api.cursors import cursor_of_id, id_of_cursor
from orders_http.api.hosts import HostRule
from orders_http.api.problems import Problem, ProblemType
from orders_memory import MemoryStore
from tests.http.response import Response
from tests.http.strategies import awkward_id_texts, awkward_orders
from tests.http.wsgi_client import WsgiClient


@pytest.fixture
def client(client: WsgiClient) -> WsgiClient:
    """A client of an application with three orders."""
    for order_id in "CAB":
        client.post(json.dumps({"id": order_id, "amount": 1}))
    return client


def ids(answer: Response) -> list[str]:
    return [order["id"] for order in answer.json()]


def next_target(answer: Response) -> str | None:
    """Return the URL of the Link header."""
    link = answer.headers.get("link")
    if link is None:
        return None
    target, relation = link.split(">; ")
    assert relation == 'rel="next"'
    return target.removeprefix("<")


def test_orders_are_sorted_by_id(client: WsgiClient) -> None:
    answer = client.get("/orders")
    assert (answer.status, ids(answer)) == (200, ["A", "B", "C"])
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["vary"] == "Accept"
    assert answer.headers["cache-control"] == "no-cache"
    assert "link" not in answer.headers


def test_an_empty_store_gives_an_empty_list_of_each_type() -> None:
    client = WsgiClient(create_app(MemoryStore(), HttpSettings("USD", HostRule())))
    assert client.get("/orders").body == b"[]"
    assert client.get("/orders", Accept="application/x-ndjson").body == b""
    assert client.get("/orders", Accept="text/csv").body == b"id,amount\r\n"


def test_the_link_leads_to_the_next_page_until_the_last(client: WsgiClient) -> None:
    first = client.get("/orders?limit=2")
    assert ids(first) == ["A", "B"]
    following = next_target(first)
    assert following is not None
    second = client.get(following)
    assert ids(second) == ["C"]
    assert next_target(second) is None


def test_a_full_last_page_has_no_link(client: WsgiClient) -> None:
    assert next_target(client.get("/orders?limit=3")) is None


def test_the_link_contains_the_root_path(client: WsgiClient) -> None:
    mounted = WsgiClient(client.application, {"SCRIPT_NAME": "/shop"})
    target = next_target(mounted.get("/orders?limit=1"))
    assert target is not None
    assert target.startswith("/shop/orders?")


def test_csv_has_a_header_and_says_so(client: WsgiClient) -> None:
    answer = client.get("/orders", Accept="text/csv")
    assert answer.body == b"id,amount\r\nA,1.00\r\nB,1.00\r\nC,1.00\r\n"
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"


def test_ndjson_has_one_order_per_line(client: WsgiClient) -> None:
    answer = client.get("/orders?limit=2", Accept="application/x-ndjson")
    assert answer.body == b'{"id":"A","amount":1.00}\n{"id":"B","amount":1.00}\n'
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert "link" in answer.headers


def test_each_media_type_has_a_different_entity_tag(client: WsgiClient) -> None:
    types = ("application/json", "application/x-ndjson", "text/csv")
    tags = {each: client.get("/orders", Accept=each).headers["etag"] for each in types}
    assert len(set(tags.values())) == 3
    for each, tag in tags.items():
        answer = client.get("/orders", Accept=each, If_None_Match=tag)
        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers["vary"] == "Accept"


def test_a_new_order_changes_the_entity_tag(client: WsgiClient) -> None:
    tag = client.get("/orders").headers["etag"]
    client.post('{"id":"D","amount":1}')
    assert client.get("/orders", If_None_Match=tag).status == 200


@pytest.mark.parametrize("accept", ["image/png", "application/xml, image/*", "*/*;q=0"])
def test_a_client_that_accepts_no_offered_type_gets_406(client: WsgiClient, accept: str) -> None:
    answer = client.get("/orders", Accept=accept)
    assert (answer.status, answer.problem()) == (406, "not-acceptable")
    assert "application/json, application/x-ndjson, text/csv" in answer.json()["detail"]


@pytest.mark.parametrize("limit", ["1", "01", str(MAX_PAGE), f"0{MAX_PAGE}"[-5:]])
def test_a_limit_in_range_is_accepted(client: WsgiClient, limit: str) -> None:
    assert client.get(f"/orders?limit={limit}").status == 200


@pytest.mark.parametrize(
    "limit",
    ["", "0", "-1", "+1", "1.0", "1e2", "ten", " 1", "%D9%A1", str(MAX_PAGE + 1), "9" * 5_000],
)
def test_any_other_limit_is_refused(client: WsgiClient, limit: str) -> None:
    answer = client.get(f"/orders?limit={limit}")
    assert (answer.status, answer.problem()) == (400, "invalid-query")
    assert f"1 to {MAX_PAGE}" in answer.json()["detail"]


@pytest.mark.parametrize(
    "query",
    ["offset=1", "limit=1&limit=1", "&".join(f"x{n}=" for n in range(17)), "limit=%FF", "%FF=1"],
)
def test_an_invalid_query_is_refused(client: WsgiClient, query: str) -> None:
    answer = client.get(f"/orders?{query}")
    assert (answer.status, answer.problem()) == (400, "invalid-query")


def test_the_bytes_of_a_query_are_utf_8(client: WsgiClient) -> None:
    # A server passes raw bytes as Latin-1 (PEP 3333).
    assert client.get("/orders?id=\xc3\xa9").problem() == "order-not-found"
    assert client.get("/orders?id=\xe9").problem() == "invalid-query"


def test_a_cursor_works_without_a_stored_order(client: WsgiClient) -> None:
    assert ids(client.get(f"/orders?after={cursor_of_id(OrderId('AA'))}")) == ["B", "C"]


@given(awkward_id_texts())
def test_a_cursor_decodes_to_its_id(text: str) -> None:
    cursor = cursor_of_id(OrderId(text))
    assert quote(cursor, safe="") == cursor
    assert id_of_cursor(cursor) == OrderId(text)


@given(st.text() | st.text("ABCDEFabcdef0189-_=+/", max_size=20) | st.binary().map(repr))
def test_an_invalid_cursor_is_refused(text: str) -> None:
    refusal: ProblemType | None
    try:
        order_id = id_of_cursor(text)
    except Problem as problem:
        refusal = problem.type
    else:
        # A well-formed forged cursor reveals no more than an id would.
        refusal = None if cursor_of_id(order_id) == text else ProblemType.INTERNAL_ERROR
    assert refusal in {None, ProblemType.INVALID_QUERY}


@pytest.mark.parametrize("cursor", ["", "A", "QQ==", "QR", "Lg", "é", "Q Q", "/+8", "7aCA"])
def test_a_forged_cursor_gets_400(client: WsgiClient, cursor: str) -> None:
    answer = client.get(f"/orders?after={quote(cursor)}")
    assert (answer.status, answer.problem()) == (400, "invalid-query")
    assert "Link" in answer.json()["detail"]


@given(st.lists(awkward_orders(), max_size=12, unique_by=lambda order: order.id), st.integers(1, 5))
def test_a_scan_along_the_links_returns_every_order_once_sorted_by_id(
    orders: list[Order],
    limit: int,
) -> None:
    store = MemoryStore()
    store.add(orders)
    client = WsgiClient(create_app(store, HttpSettings("USD", HostRule())))
    seen: list[str] = []
    target: str | None = f"/orders?limit={limit}"
    while target is not None:
        answer = client.get(target)
        assert len(ids(answer)) <= limit
        seen += ids(answer)
        target = next_target(answer)
    assert seen == sorted(order.id.value for order in orders)
