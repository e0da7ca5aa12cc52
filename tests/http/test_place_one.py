"""`POST /orders` with one order, as JSON."""

import json
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given

from orders_core import Amount, Order
from orders_http.api.application import HttpSettings, create_app
from orders_http.api.hosts import HostRule
from orders_memory import MemoryStore
from tests.http.response import Response
from tests.http.strategies import awkward_orders
from tests.http.wsgi_client import WsgiClient

A_1 = '{"id":"A-1","amount":12.30}'


def test_a_new_order_is_created_and_located(client: WsgiClient) -> None:
    answer = client.post(A_1)
    assert answer.status == 201
    assert answer.body == b'{"id":"A-1","amount":12.30}'
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["location"] == "/orders/A-1"
    assert "idempotent-replayed" not in answer.headers
    assert client.get("/orders/A-1").body == answer.body


def test_a_replay_gets_200_with_the_stored_order_and_a_header(client: WsgiClient) -> None:
    first = client.post(A_1)
    replay = client.post('{"amount":"1230e-2", "id":"A-1"}')
    assert (replay.status, replay.body) == (200, first.body)
    assert replay.headers["idempotent-replayed"] == "true"
    assert "location" not in replay.headers


def test_another_amount_is_a_conflict_and_changes_nothing(client: WsgiClient) -> None:
    client.post(A_1)
    answer = client.post('{"id":"A-1","amount":12.31}')
    assert (answer.status, answer.problem()) == (409, "order-conflict")
    assert "A-1" in answer.json()["detail"]
    assert client.get("/orders/A-1").json()["amount"] == 12.3


def test_a_later_look_up_has_the_same_entity_tag(client: WsgiClient) -> None:
    created, replayed = client.post(A_1), client.post(A_1)
    looked_up = client.get("/orders/A-1")
    assert created.headers["etag"] == replayed.headers["etag"] == looked_up.headers["etag"]


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        ("0.1", "0.10"),
        ('"0.10"', "0.10"),
        ("1e2", "100.00"),
        ("-0", "0.00"),
        ("1.500", "1.50"),
        ("0e999999999999999999999999999", "0.00"),
        ("9999999999999.99", "9999999999999.99"),
    ],
)
def test_an_amount_is_kept_exactly(client: WsgiClient, amount: str, written: str) -> None:
    answer = client.post(f'{{"id":"A","amount":{amount}}}')
    assert (answer.status, answer.body.decode()) == (201, f'{{"id":"A","amount":{written}}}')


@pytest.mark.parametrize(
    ("body", "members"),
    [
        ('{"id":"A","amount":1.005}', ["amount"]),
        ('{"id":"A","amount":-0.01}', ["amount"]),
        ('{"id":"A","amount":10000000000000}', ["amount"]),
        ('{"id":"A","amount":1e2000000}', ["amount"]),
        ('{"id":"A","amount":"12,30"}', ["amount"]),
        ('{"id":"A","amount":" 1"}', ["amount"]),
        ('{"id":"A","amount":0.' + "0" * 31 + "}", ["amount"]),
        ('{"id":"A","amount":true}', ["amount"]),
        ('{"id":"A","amount":null}', ["amount"]),
        ('{"id":"A","amount":[1]}', ["amount"]),
        ('{"id":"","amount":1}', ["id"]),
        ('{"id":".","amount":1}', ["id"]),
        ('{"id":" A","amount":1}', ["id"]),
        ('{"id":"a\\u0000b","amount":1}', ["id"]),
        ('{"id":"\\ud800","amount":1}', ["id"]),
        ('{"id":1,"amount":1}', ["id"]),
        ('{"id":null,"amount":1}', ["id"]),
        ('{"id":"' + "x" * 129 + '","amount":1}', ["id"]),
        ('{"id":"","amount":-1}', ["id", "amount"]),
        ('{"id":"A","amount":1,"currency":"USD"}', ["currency"]),
        ('{"id":"","amount":-1,"x":1,"\\ud800":2}', ["x", "\ud800", "id", "amount"]),
    ],
)
def test_an_unacceptable_order_is_refused_with_every_error(
    client: WsgiClient,
    body: str,
    members: list[str],
) -> None:
    answer = client.post(body)
    assert (answer.status, answer.problem()) == (422, "invalid-order")
    errors = answer.json()["errors"]
    assert [error["member"] for error in errors] == members
    assert answer.json()["detail"] == "; ".join(error["detail"] for error in errors)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "null",
        '"A"',
        "{}",
        '{"id":"A"}',
        '{"amount":1}',
        '{"id":"A","amount":NaN}',
        '{"id":"A","amount":-Infinity}',
        '{"id":"A","amount":1,"amount":1}',
        '{"id":"A","amount":01}',
        '{"id":"A","amount":1}}',
        "\ufeff" + A_1,
        "[[[[[]]]]]",
    ],
)
def test_a_body_must_be_strict_json_of_an_object_with_both_members(
    client: WsgiClient,
    body: str,
) -> None:
    answer = client.post(body)
    assert (answer.status, answer.problem()) == (400, "malformed-body")


def test_a_missing_member_is_named(client: WsgiClient) -> None:
    assert "lacks id and amount" in client.post("{}").json()["detail"]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("5", "a number"),
        ("1.50", "a number"),
        ("null", "null"),
        ("true", "true"),
        ("false", "false"),
        ("[]", "an array"),
        ("{}", "an object"),
    ],
)
def test_a_wrong_type_is_reported_in_terms_of_json(
    client: WsgiClient,
    value: str,
    kind: str,
) -> None:
    answer = client.post(f'{{"id":{value},"amount":1}}')
    assert answer.json()["detail"] == f"id must be a string, not {kind}"
    if kind != "a number":
        answer = client.post(f'{{"id":"A","amount":{value}}}')
        wanted = 'amount must be a number or a string such as "12.30"'
        assert answer.json()["detail"] == f"{wanted}, not {kind}"


def test_an_unknown_member_is_named_exactly_and_quoted_in_the_detail(client: WsgiClient) -> None:
    answer = client.post('{"id":"A","amount":1,"pa\\u001bid":true}')
    (error,) = answer.json()["errors"]
    assert error["member"] == "pa\x1bid"
    assert error["detail"] == '"pa\\u001bid" is unknown: an order has id and amount'


def test_ten_unknown_members_are_named_and_the_others_counted(client: WsgiClient) -> None:
    names = ",".join(f'"member-{number}":0' for number in range(3_000))
    answer = client.post(f'{{"id":"A","amount":1,{names}}}')
    assert [error["member"] for error in answer.json()["errors"]] == [
        f"member-{number}" for number in range(10)
    ]
    assert "and 2990 more members" in answer.json()["detail"]


@pytest.mark.parametrize("letter", ["x", "é", "\U0010ffff", '\\"', "\\u0000"])
@pytest.mark.parametrize("count", [1, 10, 40])
def test_the_answer_to_unknown_members_is_smaller_than_the_request(
    client: WsgiClient,
    letter: str,
    count: int,
) -> None:
    long = letter * (60_000 // count // len(letter.encode()))
    names = ",".join(f'"{number}{long}":0' for number in range(count))
    body = f'{{"id":"A","amount":1,{names}}}'
    answer = client.post(body)
    assert answer.problem() == "invalid-order"
    assert len(answer.body) < len(body.encode())


def test_a_body_that_is_not_utf_8_is_refused(client: WsgiClient) -> None:
    assert client.post(b'{"id":"\xe9","amount":1}').problem() == "malformed-body"


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/json; charset=utf8",
        "application/json; charset=UTF8",
        'application/json; Charset="utf8"',
        "application/json; version=1",
    ],
)
def test_the_media_type_is_parsed_by_the_rules_of_http(
    client: WsgiClient, content_type: str
) -> None:
    assert client.post(A_1, content_type).status == 201


@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "application/x-www-form-urlencoded", "application/problem+json", ";"],
)
def test_another_media_type_is_refused_with_the_supported_ones(
    client: WsgiClient,
    content_type: str | None,
) -> None:
    answer = client.post(A_1, content_type)
    assert (answer.status, answer.problem()) == (415, "unsupported-media-type")
    assert answer.headers["accept-post"] == "application/json, application/x-ndjson, text/csv"


@pytest.mark.parametrize("coding", ["identity", "Identity", "", "identity, identity"])
def test_the_content_encoding_identity_is_accepted(client: WsgiClient, coding: str) -> None:
    assert client.post(A_1, **{"Content-Encoding": coding}).status == 201


@pytest.mark.parametrize("coding", ["gzip", "br", "identity, gzip", "x", "deflate,identity"])
@pytest.mark.parametrize("content_type", ["application/json", "text/csv", "application/x-ndjson"])
def test_a_compressed_body_is_refused_with_the_supported_encoding(
    client: WsgiClient, coding: str, content_type: str
) -> None:
    answer = client.post(b"\x1f\x8b", content_type, **{"Content-Encoding": coding})
    assert (answer.status, answer.problem()) == (415, "unsupported-media-type")
    assert answer.headers["accept-encoding"] == "identity"
    assert (
        f"Content-Encoding {', '.join(map(str.strip, coding.split(',')))};"
        in answer.json()["detail"]
    )
    assert client.get("/orders").json() == []


@pytest.mark.parametrize(
    "charset", ["latin-1", "utf-16", "utf_8", "utf-88", '"utf-8', 'utf-8"', "utf-8 x", "cp1252"]
)
def test_another_charset_is_refused(client: WsgiClient, charset: str) -> None:
    answer = client.post(A_1, f"application/json; charset={charset}")
    assert (answer.status, answer.problem()) == (415, "unsupported-media-type")


def test_a_client_that_accepts_no_json_gets_406_before_anything_is_stored(
    client: WsgiClient,
) -> None:
    answer = client.post(A_1, Accept="image/png")
    assert (answer.status, answer.problem()) == (406, "not-acceptable")
    assert client.get("/orders/A-1").status == 404


def test_a_parameter_is_refused(client: WsgiClient) -> None:
    answer = client.post(A_1, target="/orders?dry-run=1")
    assert (answer.status, answer.problem()) == (400, "invalid-query")
    assert client.get("/orders/A-1").status == 404


def test_64_kib_are_accepted_and_one_byte_more_refused(client: WsgiClient) -> None:
    whole = A_1.ljust(64 * 1024)
    assert client.post(whole).status == 201
    answer = client.post(whole + " ")
    assert (answer.status, answer.problem()) == (413, "body-too-large")


@pytest.mark.parametrize("length", ["+5", "5 ", "0_5", "\u0665", "1" + "0" * 18])
def test_an_invalid_content_length_is_refused(client: WsgiClient, length: str) -> None:
    announced = WsgiClient(client.application, {"CONTENT_LENGTH": length})
    answer = announced.post(A_1)
    assert (answer.status, answer.problem()) == (400, "malformed-request")


def test_a_truncated_body_is_refused(client: WsgiClient) -> None:
    announced = WsgiClient(client.application, {"CONTENT_LENGTH": "100"})
    answer = announced.post(A_1)
    assert (answer.status, answer.problem()) == (400, "malformed-body")
    assert "after 27 of 100 bytes" in answer.json()["detail"]


def test_a_body_without_a_length_is_read_to_the_end_marked_by_the_server(
    client: WsgiClient,
) -> None:
    marked = WsgiClient(client.application, {"CONTENT_LENGTH": "", "wsgi.input_terminated": True})
    assert marked.post(A_1).status == 201
    assert marked.post(A_1.ljust(64 * 1024 + 1)).problem() == "body-too-large"
    unmarked = WsgiClient(client.application, {"CONTENT_LENGTH": ""})
    assert unmarked.post(A_1).problem() == "malformed-body"


def test_the_location_contains_the_root_path(client: WsgiClient) -> None:
    mounted = WsgiClient(client.application, {"SCRIPT_NAME": "/sh\xc3\xb6p"})
    assert mounted.post(A_1).headers["location"] == "/sh%C3%B6p/orders/A-1"


@given(awkward_orders())
def test_the_location_of_any_order_leads_to_it(order: Order) -> None:
    client = WsgiClient(create_app(MemoryStore(), HttpSettings("USD", HostRule())))
    body = json.dumps({"id": order.id.value, "amount": str(order.amount)})
    created = client.post(body)
    assert created.status == 201
    location = created.headers["location"]
    assert urlsplit(location).path == location, "no part of the id may read as a query or fragment"
    assert unquote(location.removeprefix("/orders/")) == order.id.value
    found = client.get(location)
    assert (found.status, found.body) == (200, created.body)
    assert _order(found) == order


def _order(answer: Response) -> Order:
    members = json.loads(answer.body, parse_float=str)
    return Order(members["id"], members["amount"])


@given(awkward_orders())
def test_the_body_reads_back_as_the_exact_order(order: Order) -> None:
    client = WsgiClient(create_app(MemoryStore(), HttpSettings("USD", HostRule())))
    # A client that reads JSON numbers as doubles loses nothing.
    members = client.post(json.dumps({"id": order.id.value, "amount": str(order.amount)})).json()
    assert isinstance(members["amount"], float)
    assert Amount(f"{members['amount']:.2f}") == order.amount
