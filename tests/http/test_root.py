"""A service below a root path, whether or not the proxy removes it."""

from pathlib import Path
from typing import Final

import pytest

from orders_http.api.application import HttpSettings, create_app
from orders_http.api.hosts import HostRule
from orders_memory import MemoryStore
from tests.http.wsgi_client import WsgiClient
from tests.token_files import watched, write_tokens

BOTH: Final = pytest.mark.parametrize("passed_on", ["/shop", ""])
FORM: Final = {
    "Content-Type": "application/x-www-form-urlencoded",
    "Origin": "http://localhost",
}


@pytest.fixture
def client() -> WsgiClient:
    """A client of an application below /shop."""
    return WsgiClient(create_app(MemoryStore(), HttpSettings("USD", HostRule(), root="/shop")))


@BOTH
def test_an_order_is_located_below_the_path(client: WsgiClient, passed_on: str) -> None:
    stored = client.post('{"id":"A/1","amount":1}', target=f"{passed_on}/orders")
    assert (stored.status, stored.headers["location"]) == (201, "/shop/orders/A%2F1")
    assert client.get(f"{passed_on}/orders/A%2F1").status == 200
    client.post('{"id":"B","amount":1}', target=f"{passed_on}/orders")
    listed = client.get(f"{passed_on}/orders?limit=1")
    assert listed.headers["link"].startswith("</shop/orders?after=")


@BOTH
def test_the_page_its_form_and_its_icon_stay_below_the_path(
    client: WsgiClient, passed_on: str
) -> None:
    page = client.get(f"{passed_on}/")
    assert page.status == 200
    for part in (b'action="/shop/"', b'href="/shop/"', b'href="/shop/favicon.svg"'):
        assert part in page.body
    assert client.get(f"{passed_on}/favicon.svg").status == 200
    sent = client.request("POST", f"{passed_on}/", b"id=A&amount=1", FORM)
    assert (sent.status, sent.headers["location"]) == (303, "/shop/?stored=A")


@BOTH
def test_the_log_in_its_redirects_and_its_cookie_stay_below_the_path(
    tmp_path: Path, passed_on: str
) -> None:
    secret = write_tokens(tmp_path / "tokens", shop="read,write")["shop"]
    settings = HttpSettings("USD", HostRule(), watched(tmp_path / "tokens"), root="/shop")
    client = WsgiClient(create_app(MemoryStore(), settings))
    assert b'action="/shop/login"' in client.get(f"{passed_on}/").body
    entered = client.request("POST", f"{passed_on}/login", f"token={secret}".encode(), FORM)
    assert (entered.status, entered.headers["location"]) == (303, "/shop/")
    assert "; Path=/shop;" in entered.headers["set-cookie"]
    cookie = entered.headers["set-cookie"].partition(";")[0]
    assert client.get(f"{passed_on}/", Cookie=cookie).status == 200
    left = client.request("POST", f"{passed_on}/logout", b"", {**FORM, "Cookie": cookie})
    assert (left.status, left.headers["location"]) == (303, "/shop/login")


@BOTH
def test_an_error_page_leads_below_the_path(client: WsgiClient, passed_on: str) -> None:
    page = client.get(f"{passed_on}/nothing", Accept="text/html")
    assert page.status == 404
    assert b'href="/shop/"' in page.body
    assert b'href="/"' not in page.body


def test_a_root_equal_to_a_path_of_the_service_works() -> None:
    client = WsgiClient(create_app(MemoryStore(), HttpSettings("USD", HostRule(), root="/orders")))
    stored = client.post('{"id":"A","amount":1}', target="/orders/orders")
    assert (stored.status, stored.headers["location"]) == (201, "/orders/orders/A")
    assert client.get("/orders/orders/A").status == 200
    assert b"<h1>" in client.get("/orders").body


def test_the_path_itself_is_the_page(client: WsgiClient) -> None:
    assert client.get("/shop").body == client.get("/shop/").body


@pytest.mark.parametrize("target", ["/shopping", "/shopping/orders", "/shop/shop/orders", "/sho"])
def test_a_path_that_only_begins_like_the_root_is_not_found(
    client: WsgiClient, target: str
) -> None:
    assert client.get(target).status == 404


def test_requests_without_the_root_are_answered(client: WsgiClient) -> None:
    assert client.get("/health").body == b'{"status":"ok"}'


def test_the_description_names_the_path(client: WsgiClient) -> None:
    assert client.get("/openapi.json").json()["servers"] == [{"url": "/shop"}]
