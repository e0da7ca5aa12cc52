"""The description at `/openapi.json`: valid, complete, and true to the code's own constants."""

import json
import re
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from orders_core import MAX_CENTS, Amount, InvalidOrder, Order, OrderId
from orders_http.api.openapi import OpenApiDocument
from tests.http.strategies import awkward_id_texts
from tests.http.wsgi_client import WsgiClient
from tests.strategies import amounts

DOCUMENT: dict[str, Any] = json.loads(OpenApiDocument.of_version("1.2.3").content)
METHODS = ("get", "head", "post", "options")


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference."""
    if "$ref" not in part:
        return part
    _, _, kind, name = part["$ref"].split("/")
    target: dict[str, Any] = DOCUMENT["components"][kind][name]
    return target


def is_valid(schema: str, value: object) -> bool:
    """Check a value against a component's schema."""
    root = {"$ref": f"#/components/schemas/{schema}", "components": DOCUMENT["components"]}
    return jsonschema_rs.is_valid(root, value)


def test_it_is_valid_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_it_names_the_version_of_the_distribution(client: WsgiClient) -> None:
    answer = client.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["info"]["version"] == version("orders-core")


def test_a_client_that_has_it_is_not_sent_it_again(client: WsgiClient) -> None:
    tag = client.get("/openapi.json").headers["etag"]
    assert client.get("/openapi.json", If_None_Match=tag).status == 304


def test_every_path_and_method_is_there_and_no_other(client: WsgiClient) -> None:
    assert set(DOCUMENT["paths"]) == {
        *(
            "/",
            "/login",
            "/logout",
            "/favicon.svg",
            "/orders",
            "/orders/{id}",
            "/health",
            "/openapi.json",
        ),
    }
    for path, item in DOCUMENT["paths"].items():
        allow = client.request("OPTIONS", path.replace("{id}", "A-1")).headers["allow"]
        assert {method.lower() for method in allow.split(", ")} == set(item)


def test_every_operation_has_an_id_of_its_own() -> None:
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(ids)) == len(ids)


def test_every_example_is_valid() -> None:
    checked = 0
    for _, _, operation in operations():
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for content in (content for body in bodies for content in body.get("content", {}).items()):
            _, media = content
            examples = [each["value"] for each in media.get("examples", {}).values()]
            examples += [media["example"]] if "example" in media else []
            root = {**media["schema"], "components": DOCUMENT["components"]}
            for example in examples:
                jsonschema_rs.validate(root, example)
                checked += 1
    assert checked > 50


def test_every_content_and_every_parameter_has_an_example() -> None:
    for path, method, operation in operations():
        for parameter in map(resolved, operation.get("parameters", ())):
            assert {"example", "examples"} & set(parameter), (path, parameter["name"])
        for body in [operation.get("requestBody", {}), *operation["responses"].values()]:
            for media_type, media in body.get("content", {}).items():
                assert {"example", "examples"} & set(media), (path, method, media_type)


def test_every_operation_tells_what_is_refused_on_arrival() -> None:
    for path, method, operation in operations():
        assert {"408", "421", "431"} <= set(operation["responses"]), (path, method)


def test_a_method_that_a_path_has_not_is_described_with_allow() -> None:
    described = DOCUMENT["components"]["responses"]["MethodNotAllowed"]
    assert described["headers"]["Allow"]["required"]
    assert "#/components/responses/MethodNotAllowed" in DOCUMENT["info"]["description"]


def test_every_error_has_an_example_of_each_of_its_types() -> None:
    for path, _, operation in operations():
        for status, response in operation["responses"].items():
            problem = response.get("content", {}).get("application/problem+json")
            if problem is None:
                # The page tells its errors itself, and HEAD has no body.
                continue
            assert problem["examples"], (path, status)
            for example in problem["examples"].values():
                assert str(example["value"]["status"]) == status


def test_every_error_is_described_as_a_page_for_people_too() -> None:
    for path, method, operation in operations():
        for status, response in operation["responses"].items():
            if status >= "400" and method != "head":
                assert "text/html; charset=utf-8" in response["content"], (path, method, status)


def test_every_error_is_described_as_one_that_no_cache_keeps() -> None:
    for path, method, operation in operations():
        for status, response in operation["responses"].items():
            if status >= "400":
                assert response["headers"]["Cache-Control"]["required"], (path, method, status)


def test_503_always_tells_when_to_try_again() -> None:
    statuses = [
        response["headers"]["Retry-After"]["required"]
        for _, _, operation in operations()
        for status, response in operation["responses"].items()
        if status == "503"
    ]
    assert statuses == [True] * 8


@given(awkward_id_texts())
def test_every_id_is_valid(text: str) -> None:
    assert is_valid("OrderId", text)


@given(st.text(max_size=130) | st.text("a. \n\x00\x85\u3000\ufeff\u200b\U000e0041", max_size=5))
def test_an_id_is_valid_exactly_when_it_is_accepted(text: str) -> None:
    try:
        OrderId(text)
    except InvalidOrder:
        assert not is_valid("OrderId", text)
    else:
        assert is_valid("OrderId", text)


def test_the_pattern_of_ids_means_the_same_to_python() -> None:
    pattern = re.compile(resolved({"$ref": "#/components/schemas/OrderId"})["pattern"])
    for text in ("A", "a b", "..a", "a\ufeffb", "\U00010000"):
        assert pattern.search(text)
    for text in (".", "..", " a", "a\u3000", "a\0b", "", "\ufeffa", "a\u3164", "a\U000e0041"):
        assert not pattern.search(text)


@given(amounts(), st.booleans())
def test_every_amount_is_valid(amount: object, as_text: bool) -> None:  # noqa: FBT001 - drawn
    written = str(amount)
    value = written if as_text else json.loads(written)
    assert is_valid("NewOrder", {"id": "A", "amount": value})
    assert is_valid("Order", {"id": "A", "amount": json.loads(written)})


def test_every_hundredth_is_valid_to_a_validator_that_uses_doubles() -> None:
    amount = DOCUMENT["components"]["schemas"]["NewOrder"]["properties"]["amount"]
    root = {**amount, "components": DOCUMENT["components"]}
    validator = Draft202012Validator(root)
    for cents in (*range(1_000), *range(MAX_CENTS - 1_000, MAX_CENTS + 1)):
        written = str(Amount.from_cents(cents))
        assert validator.is_valid(json.loads(written)), written
        assert validator.is_valid(written)


@given(amounts(), st.booleans())
def test_every_amount_is_valid_to_another_validator(
    amount: Amount,
    as_text: bool,  # noqa: FBT001 - drawn
) -> None:
    value = str(amount) if as_text else json.loads(str(amount))
    order = {"id": "A", "amount": value}
    root = {"$ref": "#/components/schemas/NewOrder", "components": DOCUMENT["components"]}
    assert Draft202012Validator(root).is_valid(order)


@given(st.from_regex(r"[0-9]{1,15}(\.[0-9]{1,3})?", fullmatch=True) | st.text("0123456789.-+eE "))
def test_a_text_that_is_valid_is_an_amount(text: str) -> None:
    if is_valid("AmountText", text):
        Order("A", text)


@pytest.mark.parametrize(
    "order",
    [{}, {"id": "A"}, {"id": "A", "amount": 1, "x": 1}, {"id": 1, "amount": 1}, [], None]
    + [{"id": "A", "amount": amount} for amount in (-1, 1e13, "1.005", "", "a", True, None)],
)
def test_what_is_no_order_is_not_valid(order: object) -> None:
    assert not is_valid("NewOrder", order)


def test_the_problems_of_the_service_are_valid(client: WsgiClient) -> None:
    answers = [
        client.post("{}"),
        client.post('{"id":"","amount":-1}'),
        client.post('{"id":"A"}\n{"id":"B"}\n', "application/x-ndjson"),
        client.get("/nothing"),
        client.request("PUT", "/orders"),
    ]
    assert all(is_valid("Problem", answer.json()) for answer in answers)
