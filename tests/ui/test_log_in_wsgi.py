"""Logging in, over HTTP without a browser: statuses, headers, refusals."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote_plus

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from orders_core import Order
from orders_http.api.application import HttpSettings, create_app
from orders_http.api.hosts import HostRule
from orders_memory import MemoryStore
from tests.http.response import Response
from tests.http.wsgi_client import WsgiClient
from tests.token_files import watched, write_tokens

OURS: Final = {"Origin": "http://localhost"}
FORM: Final = "application/x-www-form-urlencoded"
ASKING: Final = 'Bearer realm="orders"'


@define
class Visitor:
    """A browser with one cookie, and an application that requires tokens."""

    client: WsgiClient
    store: MemoryStore
    secrets: Mapping[str, str]
    cookie: str = field(default="")

    def get(self, target: str = "/") -> Response:
        """Open a page."""
        return self._kept(self.client.get(target, Cookie=self.cookie))

    def post(
        self,
        target: str,
        body: str = "",
        content_type: str | None = FORM,
        headers: Mapping[str, str] = OURS,
    ) -> Response:
        """Send a form."""
        typed = {} if content_type is None else {"Content-Type": content_type}
        all_headers = {"Cookie": self.cookie, **typed, **headers}
        return self._kept(self.client.request("POST", target, body.encode(), all_headers))

    def log_in(self, name: str) -> Response:
        """Log in with a token."""
        return self.post("/login", f"token={self.secrets[name]}")

    def _kept(self, answer: Response) -> Response:
        self.cookie = answer.headers.get("set-cookie", self.cookie).partition(";")[0]
        return answer


@pytest.fixture
def visitor(tmp_path: Path) -> Visitor:
    """A new visitor of an application with one order."""
    file = tmp_path / "tokens"
    secrets = write_tokens(file, both="read,write", reader="read", writer="write")
    store = MemoryStore()
    store.add([Order("A-1", "12.30")])
    application = create_app(store, HttpSettings("USD", HostRule(), watched(file)))
    return Visitor(WsgiClient(application), store, secrets)


def test_without_a_session_every_request_is_asked_to_log_in(visitor: Visitor) -> None:
    for target in ("/", "/?id=A-1", "/?after=x", "/?nothing=1", "/?stored=A-1"):
        answer = visitor.get(target)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, ASKING)
        assert b"Log in" in answer.body
        assert b"A-1" not in answer.body


def test_head_is_asked_too(visitor: Visitor) -> None:
    answer = visitor.client.request("HEAD", "/")
    assert (answer.status, answer.body) == (401, b"")


def test_the_log_in_form_has_its_own_address(visitor: Visitor) -> None:
    answer = visitor.get("/login")
    assert answer.status == 200
    assert b'action="/login"' in answer.body


def test_the_requested_url_is_not_remembered(visitor: Visitor) -> None:
    for answer in (visitor.get(), visitor.log_in("both"), visitor.get(), visitor.post("/logout")):
        assert answer.headers["cache-control"] == "no-store"
        assert "script" not in answer.headers["content-security-policy"]


def test_logging_in_leads_to_the_page_and_logging_out_to_the_form(visitor: Visitor) -> None:
    entered = visitor.log_in("both")
    assert (entered.status, entered.headers["location"], entered.body) == (303, "/", b"")
    assert visitor.get().status == 200
    left = visitor.post("/logout")
    assert (left.status, left.headers["location"]) == (303, "/login")
    assert visitor.get().status == 401


def test_below_a_root_path_it_stays_there(visitor: Visitor) -> None:
    mounted = Visitor(
        WsgiClient(visitor.client.application, {"SCRIPT_NAME": "/shop"}),
        visitor.store,
        visitor.secrets,
    )
    assert b'action="/shop/login"' in mounted.get().body
    assert mounted.log_in("both").headers["location"] == "/shop/"
    assert b'action="/shop/logout"' in mounted.get().body
    assert mounted.post("/logout").headers["location"] == "/shop/login"


def test_a_wrong_token_begins_no_session(visitor: Visitor) -> None:
    for text in ("", "x", "orders_", f"{visitor.secrets['both']}0", visitor.secrets["both"][:-1]):
        answer = visitor.post("/login", f"token={text}")
        assert (answer.status, answer.headers["www-authenticate"]) == (401, ASKING)
        assert "set-cookie" not in answer.headers
        assert b"This token is unknown or was revoked" in answer.body
    assert visitor.post("/login", "").status == 401


@given(text=st.text())
def test_text_typed_as_a_token_is_never_shown(
    tmp_path_factory: pytest.TempPathFactory,
    text: str,
) -> None:
    file = tmp_path_factory.mktemp("tokens") / "tokens"
    write_tokens(file, both="read,write")
    application = create_app(MemoryStore(), HttpSettings("USD", HostRule(), watched(file)))
    visitor = Visitor(WsgiClient(application), MemoryStore(), {})
    typed = quote_plus(f"canary-{text}", errors="surrogatepass")
    for body in (f"token={typed}", typed, f"{typed}=1", f"token={typed}&token={typed}"):
        answer = visitor.post("/login", body)
        assert answer.status in {400, 401}
        assert b"canary" not in answer.body


FOREIGN: Final[list[dict[str, str]]] = [
    {},
    {"Origin": "null"},
    {"Origin": "http://evil.example"},
    {"Origin": "http://localhost.evil.example"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_form_of_another_site_neither_logs_in_nor_out(
    visitor: Visitor,
    headers: dict[str, str],
) -> None:
    body = f"token={visitor.secrets['both']}"
    refused = visitor.post("/login", body, headers=headers)
    assert (refused.status, "set-cookie" in refused.headers) == (403, False)
    assert b"The form was sent from another site" in refused.body
    assert b'action="/login"' in refused.body
    assert visitor.secrets["both"].encode() not in refused.body
    visitor.log_in("both")
    refused = visitor.post("/logout", headers=headers)
    assert (refused.status, "set-cookie" in refused.headers) == (403, False)
    assert visitor.get().status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://localhost:8443"},
        {"Origin": "http://localhost:8443", "Sec-Fetch-Site": "same-origin"},
        {"Host": "localhost:443", "Origin": "https://localhost"},
        {"Referer": "http://localhost/login"},
    ],
)
def test_logging_in_and_out_works_with_any_forwarded_port(
    visitor: Visitor, headers: dict[str, str]
) -> None:
    entered = visitor.post("/login", f"token={visitor.secrets['both']}", headers=headers)
    assert entered.status == 303
    assert visitor.post("/logout", headers=headers).status == 303


def test_a_query_of_the_form_is_ignored(visitor: Visitor) -> None:
    answer = visitor.post(f"/login?token={visitor.secrets['both']}", "token=x")
    assert (answer.status, "set-cookie" in answer.headers) == (401, False)


def test_the_text_of_a_foreign_form_is_kept_for_a_logged_in_visitor(
    visitor: Visitor,
) -> None:
    body = "id=kept-id&amount=1"
    foreign = {"Origin": "http://evil.example"}
    assert b"kept-id" not in visitor.post("/", body, headers=foreign).body
    visitor.log_in("reader")
    assert b"kept-id" not in visitor.post("/", body, headers=foreign).body
    visitor.log_in("both")
    assert b"kept-id" in visitor.post("/", body, headers=foreign).body


@pytest.mark.parametrize(
    ("target", "body", "content_type", "status"),
    [
        ("/login", "token=x", "text/plain", 415),
        ("/login", "token=x", None, 415),
        ("/login", "token=x&name=y", FORM, 400),
        ("/login", "token=%FF", FORM, 400),
        ("/login", f"token={'x' * 70_000}", FORM, 413),
    ],
)
def test_a_body_other_than_the_form_is_refused(
    visitor: Visitor,
    target: str,
    body: str,
    content_type: str | None,
    status: int,
) -> None:
    answer = visitor.post(target, body, content_type)
    assert (answer.status, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert b"Look up an id" not in answer.body


def test_a_reader_sees_orders_and_cannot_store(visitor: Visitor) -> None:
    visitor.log_in("reader")
    page = visitor.get()
    assert page.status == 200
    assert b"12.30" in page.body.replace(b"<span>", b"").replace(b"</span>", b"").replace(
        b"<wbr>", b""
    )
    assert b"Store order" not in page.body
    refused = visitor.post("/", "id=A-2&amount=1")
    assert refused.status == 403
    assert refused.headers["www-authenticate"].endswith('scope="write"')
    assert visitor.store.totals().count == 1


def test_a_writer_without_read_cannot_use_the_page(visitor: Visitor) -> None:
    visitor.log_in("writer")
    for answer in (visitor.get(), visitor.get("/?id=A-1"), visitor.post("/", "id=A-2&amount=x")):
        assert answer.status == 403
        assert answer.headers["www-authenticate"].endswith('scope="read"')
        assert b"12.30" not in answer.body
    assert visitor.store.totals().count == 1


def test_an_empty_list_suggests_no_first_step_to_a_reader(visitor: Visitor, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    application = create_app(MemoryStore(), HttpSettings("USD", HostRule(), watched(file)))
    reader = Visitor(WsgiClient(application), MemoryStore(), visitor.secrets)
    reader.log_in("reader")
    body = reader.get().body
    assert b"No orders yet" in body
    assert b"Fill in the first order" not in body


def test_an_order_without_a_session_is_not_stored_and_its_body_not_read(visitor: Visitor) -> None:
    for body, content_type in (
        ("id=A-2&amount=1", FORM),
        ("{", "text/plain"),
        ("x" * 70_000, FORM),
    ):
        answer = visitor.post("/", body, content_type)
        assert answer.status == 401
        assert b"The order was not stored" in answer.body
    assert visitor.store.totals().count == 1


def test_a_token_in_a_header_does_not_open_the_page(visitor: Visitor) -> None:
    answer = visitor.client.get("/", Authorization=f"Bearer {visitor.secrets['both']}")
    assert answer.status == 401


def test_there_is_no_log_in_if_no_token_is_required() -> None:
    visitor = Visitor(
        WsgiClient(create_app(MemoryStore(), HttpSettings("USD", HostRule()))), MemoryStore(), {}
    )
    assert visitor.get("/login").status == 404
    assert visitor.post("/login", "token=x").status == 404
    assert visitor.post("/logout").status == 404
    page = visitor.get().body
    assert b"Log out" not in page
    assert b"Log in" not in page
