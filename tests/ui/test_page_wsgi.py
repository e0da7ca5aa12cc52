"""The page, over HTTP without a browser: statuses, headers, refusals."""

import base64
import hashlib
import io
import re
from collections.abc import Callable, Mapping
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

from orders_core import (
    Amount,
    Order,
    OrderId,
    OrderStore,
    Reason,
    StoreUnavailable,
    Totals,
    place_all,
)
from orders_http.api.application import HttpSettings, create_app
from orders_http.api.cursors import cursor_of_id
from orders_http.api.hosts import HostRule
from orders_memory import MemoryStore
from orders_sqlite import SqliteStore
from tests.strategies import amounts, orders

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

HOST: Final = "orders.example.org"
OURS: Final = {"Origin": f"https://{HOST}"}
FORM: Final = "application/x-www-form-urlencoded"

ELEMENTS: Final = frozenset(
    {
        *("html", "head", "meta", "title", "link", "style", "body"),
        *("header", "main", "section", "nav", "div", "img", "h1", "h2", "p", "a"),
        *("bdi", "span", "strong", "wbr", "dl", "dt", "dd"),
        *("form", "label", "input", "button"),
        *("table", "caption", "thead", "tbody", "tr", "th", "td"),
    },
)
"""Every element of the page's template."""

TEXTS: Final = (st.text("<>\"'&;=%{} ab") | st.text()).map(str.strip)
"""Any text, often with the special characters of HTML, forms and templates."""


@frozen
class Answer:
    """An answer of the application; the names of headers are written as `Content-Type`."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def words(self) -> str:
        """The text as a person reads it: without elements, without escapes."""
        body = self.text.partition("<body>")[2]
        return " ".join(unescape(re.sub(r"<[^>]*>", "", body)).split())

    @property
    def elements(self) -> list[tuple[str, dict[str, str | None]]]:
        """Every start tag, with its attributes."""
        found: list[tuple[str, dict[str, str | None]]] = []

        class Reader(HTMLParser):
            def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
                found.append((tag, dict(attrs)))

        Reader().feed(self.text)
        return found

    def value(self, field: str) -> str | None:
        """Return the text of a form field."""
        return next(attrs["value"] for _, attrs in self.elements if attrs.get("id") == field)


@frozen
class Client:
    """Calls the application over a store, as a server would."""

    store: OrderStore
    root: str = ""
    _app: "WSGIApplication" = field(init=False, repr=False)

    @_app.default
    def _create_app(self) -> "WSGIApplication":
        return create_app(self.store, HttpSettings("EUR", HostRule(frozenset({HOST}))))

    def send(
        self,
        method: str,
        query: str = "",
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        path: str = "/",
    ) -> Answer:
        """Send a request; return the answer."""
        environ: WSGIEnvironment = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": self.root,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "wsgi.input": io.BytesIO(body),
            "CONTENT_LENGTH": str(len(body)),
            # A fixed id, so that equal requests have equal answers.
            "HTTP_X_REQUEST_ID": "test",
        }
        for name, value in {"Host": HOST, **(headers or {})}.items():
            variable = name.upper().replace("-", "_")
            environ[variable if name == "Content-Type" else f"HTTP_{variable}"] = value
        setup_testing_defaults(environ)
        started: list[Any] = []
        chunks = validator(self._app)(environ, lambda *start: started.extend(start))  # type: ignore[arg-type]
        text = b"".join(chunks).decode()
        chunks.close()  # type: ignore[attr-defined]
        return Answer(
            int(started[0][:3]), {name.title(): value for name, value in started[1]}, text
        )

    def get(self, **query: str) -> Answer:
        """Open the page."""
        return self.send("GET", urlencode(query))

    def post(self, headers: Mapping[str, str] = OURS, **fields: str) -> Answer:
        """Send the form."""
        return self.send(
            "POST", body=urlencode(fields).encode(), headers={"Content-Type": FORM, **headers}
        )


@pytest.fixture
def client() -> Client:
    """A client of an application without orders."""
    return Client(MemoryStore())


@pytest.fixture
def away(tmp_path: Path) -> Client:
    """A client of an application whose database is unavailable."""
    return Client(SqliteStore(tmp_path))


def stored(*orders: Order) -> Client:
    """Make a client of an application with orders."""
    store = MemoryStore()
    place_all(store, orders)
    return Client(store)


def numbered(count: int) -> list[Order]:
    """Make orders with the ids `000`, `001`, ..."""
    return [Order(f"{number:03}", "1.00") for number in range(count)]


def link(answer: Answer, relation: str) -> str | None:
    """Return the query of the link to the next or the previous page."""
    for _, attrs in answer.elements:
        if attrs.get("rel") == relation:
            return (attrs["href"] or "").partition("?")[2]
    return None


# Storing through the form.


@given(order=orders())
def test_every_order_is_stored_by_the_form_and_shown_after_the_redirect(order: Order) -> None:
    client = Client(MemoryStore())
    answer = client.post(id=order.id.value, amount=str(order.amount))
    assert answer.status == 303
    assert answer.headers["Location"] == f"/?stored={quote(order.id.value, safe='')}"
    assert client.store.get([order.id]) == [order]
    page = client.send("GET", answer.headers["Location"].partition("?")[2])
    assert page.status == 200
    assert f"is stored: {order.amount} EUR." in page.words
    assert f"Order {' '.join(order.id.value.split())} is stored" in page.words


def test_a_replay_is_shown_as_a_new_order() -> None:
    client = stored(Order("A-1", "12.30"))
    answer = client.post(id="A-1", amount="12.3")
    assert (answer.status, answer.headers["Location"]) == (303, "/?stored=A-1")


def test_white_space_around_values_is_ignored(client: Client) -> None:
    assert client.post(id=" A-1\t", amount=" 12.30 ").headers["Location"] == "/?stored=A-1"


def test_a_conflict_gets_409_and_shows_the_stored_order() -> None:
    answer = stored(Order("A-1", "12.30"), Order("B-2", "1.00")).post(id="A-1", amount="99.00")
    assert answer.status == 409
    assert "Id is taken by an order with another amount; choose another id." in answer.words
    assert "A-112.30 EUR" in answer.words
    assert "B-2" not in answer.words
    assert (answer.value("id"), answer.value("amount")) == ("A-1", "99.00")


@given(order_id=TEXTS, amount=TEXTS)
def test_wrong_input_is_kept_as_text(order_id: str, amount: str) -> None:
    answer = Client(MemoryStore()).post(id=order_id, amount=f"{amount}x")
    assert answer.status == 422
    assert answer.value("id") == order_id
    assert answer.value("amount") == f"{amount}x"
    assert {name for name, _ in answer.elements} <= ELEMENTS


def test_missing_fields_are_treated_as_empty(client: Client) -> None:
    answer = client.post()
    assert answer.status == 422
    assert "Id is empty." in answer.words
    assert "Amount is not a decimal number such as 12.30." in answer.words


def test_each_error_describes_its_field(client: Client) -> None:
    answer = client.post(id="", amount="12,30x")
    fields = {attrs["id"]: attrs for name, attrs in answer.elements if name == "input"}
    for name in ("id", "amount"):
        assert fields[name]["aria-describedby"] == f"{name}-mistake {name}-hint"
        assert fields[name]["aria-invalid"] == "true"
    assert [name for name in fields if "autofocus" in fields[name]] == ["id"]


# The origin of forms.


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": f"https://{HOST}"},
        {"Origin": f"http://{HOST}"},
        {"Origin": f"https://{HOST.upper()}"},
        {"Host": f"{HOST}:8443", "Origin": f"https://{HOST}:8443"},
        {"Host": "[::1]:8000", "Origin": "http://[::1]:8000"},
        # Proxies add the port, or leave it out.
        {"Host": f"{HOST}:443", "Origin": f"https://{HOST}"},
        {"Host": f"{HOST}:80", "Origin": f"http://{HOST}"},
        {"Origin": f"https://{HOST}:443"},
        {"Origin": f"http://{HOST}:80"},
        {"Origin": f"https://{HOST}:8443"},
        {"Host": f"{HOST}.", "Origin": f"https://{HOST}"},
        {"Origin": f"https://{HOST}."},
        {"Origin": f"https://{HOST}", "X-Forwarded-Proto": "https"},
        {"Origin": f"https://{HOST}", "X-Forwarded-Proto": "http"},
        {"Referer": f"https://{HOST}/"},
        {"Referer": f"http://{HOST}:8080/?id=http://evil.example/"},
        # Sec-Fetch-Site decides, whatever a proxy has done to Host.
        {"Sec-Fetch-Site": "same-origin"},
        {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
        {"Host": "localhost", "Origin": "http://localhost:8443", "Sec-Fetch-Site": "same-origin"},
        {"Host": "127.0.0.1:9", "Origin": f"https://{HOST}", "Sec-Fetch-Site": "same-origin"},
    ],
)
def test_a_form_of_the_same_host_is_accepted(client: Client, headers: dict[str, str]) -> None:
    assert client.post(headers, id="A-1", amount="1").status == 303


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "https://evil.example"},
        {"Origin": f"https://{HOST}.evil.example"},
        {"Host": f"{HOST}:8000", "Origin": f"https://{HOST}:8443"},
        {"Host": f"{HOST}:8443", "Origin": f"https://{HOST}"},
        {"Host": f"{HOST}:443", "Origin": f"http://{HOST}"},
        {"Host": f"{HOST}:80", "Origin": f"https://{HOST}"},
        {"Origin": f"http://{HOST}", "X-Forwarded-Proto": "https"},
        {"Origin": f"http://{HOST}", "X-Forwarded-Proto": "HTTPS, http"},
        {"Origin": f"https://sibling.{HOST}"},
        {"Origin": f"https://{HOST}/"},
        {"Origin": f"https://evil@{HOST}"},
        {"Origin": f"ftp://{HOST}"},
        {"Origin": HOST},
        {"Origin": f"https://{HOST} https://{HOST}"},
        {"Origin": f"https://{HOST}", "Sec-Fetch-Site": "same-site"},
        {"Origin": f"https://{HOST}", "Sec-Fetch-Site": "cross-site"},
        {"Origin": f"https://{HOST}", "Sec-Fetch-Site": "none"},
        {"Origin": f"https://{HOST}", "Sec-Fetch-Site": "same-origin, cross-site"},
        {"Origin": f"https://{HOST}", "Sec-Fetch-Site": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Referer": "https://evil.example/"},
        {"Referer": f"https://evil.example/https://{HOST}/"},
        {"Referer": f"https://{HOST}@evil.example/"},
        {"Referer": f"https://evil.example\\@{HOST}/"},
        {"Referer": "about:blank"},
        {"Origin": "https://evil.example", "Referer": f"https://{HOST}/"},
    ],
)
def test_a_form_from_elsewhere_stores_nothing_and_keeps_its_text(
    client: Client, headers: dict[str, str]
) -> None:
    answer = client.post(headers, id="A-1", amount="1")
    assert answer.status == 403
    assert "The form was sent from another site" in answer.words
    assert client.store.totals().count == 0
    assert "The order was not stored. The form below still has its text" in answer.words
    assert (answer.value("id"), answer.value("amount")) == ("A-1", "1")


def test_an_unreadable_form_from_elsewhere_is_refused_for_its_origin(
    client: Client,
) -> None:
    answer = client.send("POST", body=b"id=%FF", headers={"Content-Type": FORM})
    assert answer.status == 403
    assert "kept below" not in answer.words


# Amounts as people type them.


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("12,30", "12.30"),
        ("0,5", "0.50"),
        ("1234,5", "1234.50"),
        ("1234567,89", "1234567.89"),
        ("12,3000", "12.30"),
        ("1234,500", "1234.50"),
        ("0,500", "0.50"),
        ("12.30", "12.30"),
        ("1234.5", "1234.50"),
        ("0.500", "0.50"),
        ("1e2", "100.00"),
        (" 12,30 ", "12.30"),
    ],
)
def test_an_unambiguous_decimal_comma_is_accepted(client: Client, typed: str, stored: str) -> None:
    assert client.post(id="A-1", amount=typed).status == 303
    assert client.store.get([OrderId("A-1")]) == [Order("A-1", stored)]


@given(amounts())
def test_every_amount_may_be_typed_with_a_point_or_a_comma(amount: Amount) -> None:
    for typed in (str(amount), str(amount).replace(".", ",")):
        client = Client(MemoryStore())
        assert client.post(id="A-1", amount=typed).status == 303
        assert client.store.totals().amount == amount.value


TWO_WAYS = "Amount can be read in two ways; type {} without a separator, or at most two"
SEPARATOR = "Amount has a thousands separator; leave it out, as in 1234.50."


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("1,234", f"{TWO_WAYS.format(1234)} decimals, such as 1.23."),
        ("12,300", f"{TWO_WAYS.format(12300)} decimals, such as 12.30."),
        ("12.300", f"{TWO_WAYS.format(12300)} decimals, such as 12.30."),
        ("1.005", f"{TWO_WAYS.format(1005)} decimals, such as 1.00."),
        ("1.234,50", SEPARATOR),
        ("1,234.50", SEPARATOR),
        ("1,234,567", SEPARATOR),
        ("1.234.567", SEPARATOR),
        ("1.234.567,8", SEPARATOR),
        ("1 234,50", SEPARATOR),
        ("1\u202f234,50", SEPARATOR),
        ("1\u00a0234", SEPARATOR),
        ("1'234.50", SEPARATOR),
        ("1\u2019234.50", SEPARATOR),
        ("1_234", SEPARATOR),
        ("0,123", "Amount has more than two decimal places; it is never rounded."),
        ("12,345678", "Amount has more than two decimal places; it is never rounded."),
        ("12,,30", "Amount is not a decimal number such as 12.30."),
        (",", "Amount is not a decimal number such as 12.30."),
        (",5", "Amount is not a decimal number such as 12.30."),
        ("5,", "Amount is not a decimal number such as 12.30."),
        ("1,5e2", "Amount is not a decimal number such as 12.30."),
        ("12,30 EUR", "Amount is not a decimal number such as 12.30."),
    ],
)
def test_an_ambiguous_amount_is_refused_with_a_suggestion(
    client: Client, typed: str, said: str
) -> None:
    answer = client.post(id="A-1", amount=typed)
    assert answer.status == 422
    assert said in answer.words
    assert answer.value("amount") == typed
    assert client.store.totals().count == 0


def test_a_wrong_id_is_reported_together_with_an_ambiguous_amount(client: Client) -> None:
    answer = client.post(id="", amount="1,234")
    assert "Id is empty." in answer.words
    assert "Amount can be read in two ways" in answer.words


# Refusals.


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("id=A-1&id=A-1", "a parameter is repeated"),
        ("id=%FF", "a parameter is not UTF-8"),
        ("id=A-1&after=QQ", "after and id exclude each other"),
        ("after=QQ&before=QQ", "after and before exclude each other"),
        ("after=!", "after is not a position in the list"),
        ("before=", "before is not a position in the list"),
    ],
)
def test_a_wrong_query_is_explained_with_a_link_back(client: Client, query: str, said: str) -> None:
    answer = client.send("GET", query)
    assert answer.status == 400
    assert said in answer.words
    assert {name for name, _ in answer.elements} <= ELEMENTS
    assert ("a", {"href": "/"}) in answer.elements


@pytest.mark.parametrize(
    "query",
    [
        "utm_source=mail&utm_medium=x&fbclid=abc",
        "page=2",
        "<script>=1",
        "utm_source=a&utm_source=b",
        "utm_source=%FF&%FF=1",
        "=&&=1&x",
        "&".join(f"p{number}=1" for number in range(200)),
    ],
)
def test_parameters_added_by_others_are_ignored(client: Client, query: str) -> None:
    place_all(client.store, [Order("A-1", 1)])
    assert client.send("GET", query).text == client.get().text
    assert client.send("GET", f"{query}&i%64=A-1").text == client.get(id="A-1").text


@pytest.mark.parametrize(
    ("content_type", "body", "query", "status"),
    [
        ("", b"id=A-1&amount=1", "", 415),
        ("application/json", b'{"id": "A-1", "amount": 1}', "", 415),
        ("multipart/form-data; boundary=x", b"--x--", "", 415),
        (f"{FORM}; charset=latin-1", b"id=A-1&amount=1", "", 415),
        (FORM, b"id=%FF&amount=1", "", 400),
        (FORM, b"id=\xff&amount=1", "", 400),
        (FORM, b"id=A-1&amount=1&amount=2", "", 400),
        (FORM, b"id=A-1&amount=1&currency=EUR", "", 400),
        (FORM, b"id=A-1&amount=" + b"1" * 65_536, "", 413),
    ],
)
def test_a_body_other_than_the_form_is_refused_with_a_page(
    client: Client,
    content_type: str,
    body: bytes,
    query: str,
    status: int,
) -> None:
    answer = client.send("POST", query, body, {**OURS, "Content-Type": content_type})
    assert answer.status == status
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert ("a", {"href": "/"}) in answer.elements
    assert client.store.totals().count == 0


@given(name=st.sampled_from(["after", "before", "id", "stored"]) | TEXTS, value=TEXTS)
def test_no_query_causes_a_server_error_or_injects_an_element(
    name: str,
    value: str,
) -> None:
    answer = stored(*numbered(2)).get(**{name: value})
    assert answer.status in {200, 400, 404}
    assert {name for name, _ in answer.elements} <= ELEMENTS


# Lists and look-ups.


def test_the_count_and_the_total_are_exact_and_the_empty_page_suggests_a_first_step(
    client: Client,
) -> None:
    assert "Orders 0 Total 0.00 EUR" in client.get().words
    assert "No orders yet" in client.get().words
    full = stored(*(Order(each, "9999999999999.99") for each in ("A", "B", "C")))
    assert "Orders 3 Total 29999999999999.97 EUR" in full.get().words
    assert "3 of 3 orders, by id" in full.get().words


@pytest.mark.parametrize("count", [1, 49, 50, 51, 100, 101, 120])
def test_next_and_previous_lead_through_every_order_once(count: int) -> None:
    client = stored(*numbered(count))
    pages = [client.get()]
    while (following := link(pages[-1], "next")) is not None:
        pages.append(client.send("GET", following))
    shown = [re.findall(r'<th scope="row"><bdi translate="no">(\d+)', each.text) for each in pages]
    assert [each for page in shown for each in page] == [
        order.id.value for order in numbered(count)
    ]
    assert all(len(each) == 50 for each in shown[:-1])
    answer = pages.pop()
    while (previous := link(answer, "prev")) is not None:
        answer = client.send("GET", previous)
        assert answer == pages.pop()
    assert not pages


def test_going_back_beyond_the_start_shows_the_first_page() -> None:
    client = stored(*numbered(60))
    assert client.get(before=cursor_of_id(numbered(1)[0].id)) == client.get()


def test_a_cursor_after_the_last_order_is_not_shown_as_no_orders() -> None:
    answer = stored(*numbered(3)).get(after=cursor_of_id(Order("z", 1).id))
    assert answer.status == 200
    assert "The list ends before this point" in answer.words
    assert "No orders yet" not in answer.words


def test_an_order_is_looked_up_by_its_id() -> None:
    answer = stored(Order("A-1", "12.30"), Order("B-2", "1.00")).get(id=" A-1 ")
    assert answer.status == 200
    assert "The order with this id" in answer.words
    assert "A-112.30 EUR" in answer.words
    assert "B-2" not in answer.words


@given(text=TEXTS)
def test_the_id_looked_up_is_kept_as_text(text: str) -> None:
    answer = Client(MemoryStore()).get(id=text)
    assert answer.status == 404
    assert answer.value("sought") == text


@pytest.mark.parametrize("parameter", ["id", "stored"])
def test_an_unknown_id_is_404_and_never_shown_as_stored(
    client: Client,
    parameter: str,
) -> None:
    answer = client.get(**{parameter: "A-9"})
    assert answer.status == 404
    assert "No order has this id" in answer.words
    assert "is stored:" not in answer.words
    assert answer.value("sought") == "A-9"


@pytest.mark.parametrize("found", [True, False])
def test_invisible_characters_are_marked_and_the_text_is_unchanged(found: bool) -> None:  # noqa: FBT001 - drawn
    client = Client(MemoryStore())
    if found:
        place_all(client.store, [Order("A\u200b\u202e-1", 1)])
    page = client.get(id="A\u200b\u202e-1")
    assert [
        (attrs["data-mark"], attrs["title"])
        for tag, attrs in page.elements
        if tag == "span" and attrs.get("class") == "unseen"
    ] == [
        ("U+200B", "U+200B ZERO WIDTH SPACE"),
        ("U+202E", "U+202E RIGHT-TO-LEFT OVERRIDE"),
    ]
    assert "A\u200b\u202e-1" in page.words


def test_a_failed_look_up_names_invisible_characters_and_suggests_the_id_without() -> None:
    client = Client(MemoryStore())
    place_all(client.store, [Order("A-1", 1)])
    page = client.get(id="\u202aA-1\u202c")
    assert page.status == 404
    assert (
        "This id contains U+202A LEFT-TO-RIGHT EMBEDDING, U+202C POP DIRECTIONAL FORMATTING, which "
        "may be invisible." in page.words
    )
    assert ("a", {"href": "/?id=A-1"}) in page.elements
    assert "may be invisible" not in client.get(id="A-2").words


@pytest.mark.parametrize("text", ["\u200b", "\u3164\u3164"])
def test_an_entirely_invisible_id_gets_no_suggestion(text: str) -> None:
    page = Client(MemoryStore()).get(id=text)
    assert page.status == 404
    assert [attrs["href"] for tag, attrs in page.elements if tag == "a"].count("/?id=") == 0


def test_an_order_of_an_earlier_release_with_an_invisible_edge_is_listed_and_found() -> None:
    client = Client(MemoryStore())
    assert client.store.load([(f"{number:03}\u200b", "1.00") for number in range(120)])
    page = client.get()
    following = [attrs["href"] for _, attrs in page.elements if attrs.get("rel") == "next"]
    assert client.send("GET", str(following[0]).partition("?")[2]).status == 200
    assert "The order with this id" in client.get(id="007\u200b").words


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "The id is empty."),
        ("x" * 129, "The id is longer than 128 characters."),
        ("a\0b", "The id contains the control character U+0000."),
    ],
)
def test_an_impossible_id_is_404_with_the_reason(
    client: Client,
    text: str,
    said: str,
) -> None:
    answer = client.get(id=text)
    assert answer.status == 404
    assert said in answer.words


# The database is unavailable.


@pytest.mark.parametrize("query", [{}, {"id": "A-1"}, {"stored": "A-1"}, {"after": "QQ"}])
def test_an_unavailable_database_is_503_and_never_no_orders(
    away: Client,
    tmp_path: Path,
    query: dict[str, str],
) -> None:
    answer = away.get(**query)
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "1"
    assert "The orders cannot be reached now" in answer.words
    assert "No order" not in answer.words
    assert str(tmp_path) not in answer.text


def test_an_order_sent_while_the_database_is_unavailable_may_be_sent_again(
    away: Client,
) -> None:
    answer = away.post(id="A-1", amount="12.30")
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "1"
    assert "Sending it again is safe" in answer.words
    assert (answer.value("id"), answer.value("amount")) == ("A-1", "12.30")


def test_a_wrong_order_is_explained_while_the_database_is_unavailable(away: Client) -> None:
    answer = away.post(id="A-1", amount="12,30x")
    assert answer.status == 422
    assert "Amount is not a decimal number such as 12.30." in answer.words
    assert "The orders cannot be reached now" in answer.words


# Headers of every answer.


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.get(),
        lambda client: client.get(id="A-9"),
        lambda client: client.get(after="2"),
        lambda client: client.post(id="A-1", amount="1"),
        lambda client: client.post(id="A-1", amount="x"),
        lambda client: client.post({}, id="A-1", amount="1"),
    ],
    ids=["list", "missing", "wrong query", "stored", "invalid", "foreign"],
)
def test_every_page_has_the_security_headers(
    client: Client, ask: Callable[[Client], Answer]
) -> None:
    assert_guarded(ask(client))


def test_the_page_has_the_security_headers_while_the_database_is_unavailable(away: Client) -> None:
    assert_guarded(away.get())


def assert_guarded(answer: Answer) -> None:
    headers = answer.headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[\w+/]+='; img-src 'self'; form-action 'self'; "
        r"base-uri 'none'; frame-ancestors 'none'",
        headers["Content-Security-Policy"],
    )


def test_the_policy_allows_only_the_one_style_and_no_script() -> None:
    answer = stored(*numbered(2)).get()
    (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in answer.headers["Content-Security-Policy"]
    for name, attrs in answer.elements:
        assert name != "script"
        assert "style" not in attrs
        assert not any(attribute.startswith("on") for attribute in attrs)


def test_links_and_forms_stay_below_the_root_path() -> None:
    store = MemoryStore()
    place_all(store, numbered(60))
    client = Client(store, root="/shop/ü".encode().decode("latin-1"))
    answers = [
        client.get(),
        client.get(after=cursor_of_id(numbered(50)[-1].id)),
        client.get(id="000"),
        client.get(id="missing"),
        client.get(after="2"),
        client.post(id="000", amount="2"),
    ]
    places = {
        place
        for answer in answers
        for _, attrs in answer.elements
        for name in ("href", "src", "action")
        if (place := attrs.get(name)) is not None
    }
    assert len(places) > 4
    assert all(place == "#orders" or place.startswith("/shop/%C3%BC/") for place in places)
    answer = client.post(id="A-1", amount="1")
    assert answer.headers["Location"] == "/shop/%C3%BC/?stored=A-1"


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ({}, "Orders"),
        ({"stored": "A-1"}, "The order is stored - Orders"),
        ({"id": "A-1"}, "Order found - Orders"),
        ({"id": "A-9"}, "No order has this id - Orders"),
        ({"after": "2"}, "The query cannot be understood - Orders"),
    ],
)
def test_the_title_summarises_the_page(query: dict[str, str], title: str) -> None:
    answer = stored(Order("A-1", "12.30")).get(**query)
    assert f"<title>{title}</title>" in answer.text
    assert [name for name, _ in answer.elements].count("h1") == 1


def test_head_of_the_page_has_no_body(client: Client) -> None:
    answer = client.send("HEAD")
    assert (answer.status, answer.text) == (200, "")
    assert answer.headers["Content-Length"] == client.get().headers["Content-Length"]


def test_the_icon_is_fetched_once(client: Client) -> None:
    answer = client.send("GET", path="/favicon.svg")
    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert answer.text.startswith("<svg ")
    known = {"If-None-Match": answer.headers["Etag"]}
    assert client.send("GET", path="/favicon.svg", headers=known).status == 304


def test_a_list_is_shown_without_a_count_that_takes_too_long() -> None:
    class UncountableStore(MemoryStore):
        def totals(self) -> Totals:
            raise StoreUnavailable(Reason.TIMEOUT, "too many to count")

    store = UncountableStore()
    store.add([Order("A-1", "12.30")])
    answer = Client(store).get()
    assert answer.status == 200
    assert "12.30 EUR" in answer.words
    assert "1 orders, by id" in answer.words
    assert "The count and the total could not be computed in time." in answer.words


def test_the_markup_has_nothing_of_the_template_left() -> None:
    client = Client(MemoryStore())
    for answer in (client.get(), client.post(id="", amount="x"), client.post(id="A-1", amount="x")):
        assert "\\" not in answer.text
        for _, attributes in answer.elements:
            assert all(re.fullmatch("[a-z-]+", name) for name in attributes)
