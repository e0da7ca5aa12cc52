"""`GET /orders/{id}` and `GET /orders?id=`."""

import json
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given

from orders_core import Order
from orders_http.api.application import HttpSettings, create_app
from orders_http.api.hosts import HostRule
from orders_memory import MemoryStore
from tests.http.strategies import awkward_orders
from tests.http.wsgi_client import WsgiClient

BOTH = pytest.mark.parametrize("target", ["/orders/A-1", "/orders?id=A-1"])


@pytest.fixture
def client(client: WsgiClient) -> WsgiClient:
    """A client of an application with one order."""
    client.post('{"id":"A-1","amount":12.30}')
    return client


@BOTH
def test_a_stored_order_is_found(client: WsgiClient, target: str) -> None:
    answer = client.get(target)
    assert (answer.status, answer.body) == (200, b'{"id":"A-1","amount":12.30}')
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("target", ["/orders/A-2", "/orders?id=A-2", "/orders/a-1"])
def test_an_id_that_is_not_stored_is_not_found(client: WsgiClient, target: str) -> None:
    answer = client.get(target)
    assert (answer.status, answer.problem()) == (404, "order-not-found")


@pytest.mark.parametrize(
    "order_id",
    ["A-1%0A", "%0AA-1", "A-1%00", "%20A-1", ".", "..", "x" * 129, "%7F", "A-1%0D%0A"],
)
def test_an_impossible_id_is_not_found_with_the_reason(
    client: WsgiClient,
    order_id: str,
) -> None:
    for target in (f"/orders/{order_id}", f"/orders?id={order_id}"):
        answer = client.get(target)
        assert (answer.status, answer.problem()) == (404, "order-not-found"), target
        assert "no order can have this id" in answer.json()["detail"]


def test_a_failed_look_up_names_invisible_characters(client: WsgiClient) -> None:
    for target in ("/orders/A-1%E2%80%8B", "/orders?id=A-1%E2%80%8B"):
        answer = client.get(target)
        assert (answer.status, answer.problem()) == (404, "order-not-found")
        assert answer.json()["detail"] == (
            "no order has the id 'A-1<U+200B>'; the id contains U+200B ZERO WIDTH SPACE, which may "
            "be invisible"
        )


def test_an_order_of_an_earlier_release_with_an_invisible_edge_is_found_and_listed() -> None:
    store = MemoryStore()
    store.load([("A-1\u200b", "5.00"), ("B-1\u200b", "5.00")])
    client = WsgiClient(create_app(store, HttpSettings("USD", HostRule())))
    assert client.get("/orders/A-1%E2%80%8B").json() == {"id": "A-1\u200b", "amount": 5.0}
    first = client.get("/orders?limit=1")
    following = first.headers["link"].partition("<")[2].partition(">")[0]
    assert [each["id"] for each in client.get(following).json()] == ["B-1\u200b"]
    assert client.post('{"id":"A-1\u200b","amount":5}').status == 422


def test_an_empty_id_is_not_found(client: WsgiClient) -> None:
    assert client.get("/orders?id=").problem() == "order-not-found"
    assert client.get("/orders/").problem() == "not-found"


@given(awkward_orders())
def test_every_order_is_found_by_path_and_by_query(order: Order) -> None:
    client = WsgiClient(create_app(MemoryStore(), HttpSettings("USD", HostRule())))
    created = client.post(json.dumps({"id": order.id.value, "amount": str(order.amount)}))
    for target in (
        f"/orders/{quote(order.id.value, safe='')}",
        f"/orders/{quote(order.id.value)}",  # a slash stands as it is
        f"/orders?{urlencode({'id': order.id.value})}",
        f"/orders?{urlencode({'id': order.id.value}, quote_via=quote)}",
    ):
        found = client.get(target)
        assert (found.status, found.body) == (200, created.body), target


@BOTH
def test_a_client_with_the_current_order_gets_304(client: WsgiClient, target: str) -> None:
    tag = client.get(target).headers["etag"]
    for known in (tag, f"W/{tag}", f'"x", {tag}', f'"a,b",{tag} ', "*", " * "):
        answer = client.get(target, If_None_Match=known)
        assert (answer.status, answer.body) == (304, b""), known
        assert answer.headers["etag"] == tag
        assert answer.headers["cache-control"] == "no-cache"
        assert "content-type" not in answer.headers


@BOTH
def test_a_client_with_another_version_gets_the_order(
    client: WsgiClient,
    target: str,
) -> None:
    tag = client.get(target).headers["etag"]
    for known in ('"x"', tag.strip('"'), f"w/{tag[:-1]}", "", '"*"', tag[:-2] + '"'):
        assert client.get(target, If_None_Match=known).status == 200, known


def test_a_missing_order_is_never_304(client: WsgiClient) -> None:
    assert client.get("/orders/A-2", If_None_Match="*").status == 404


@BOTH
def test_a_client_that_accepts_no_json_gets_406(client: WsgiClient, target: str) -> None:
    answer = client.get(target, Accept="text/csv")
    assert (answer.status, answer.problem()) == (406, "not-acceptable")


@pytest.mark.parametrize(
    "target",
    ["/orders/A-1?x=1", "/orders?id=A-1&limit=1", "/orders?id=A-1&id=A-1", "/orders?id=A-1&after="],
)
def test_a_query_with_other_parameters_is_refused(client: WsgiClient, target: str) -> None:
    answer = client.get(target)
    assert (answer.status, answer.problem()) == (400, "invalid-query")
