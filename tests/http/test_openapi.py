"""The description at `/openapi.json`: valid, complete, and consistent with the code."""

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

from orders_core import (
    MAX_AMOUNT_LENGTH,
    MAX_CENTS,
    MAX_ID_LENGTH,
    MAX_PAGE,
    Amount,
    InvalidOrder,
    Order,
    OrderId,
)
from orders_core.characters import CONTROLS, INVISIBLE, SPACES, Ranges
from orders_http.api.bulk import MAX_BULK_BYTES, MAX_BULK_ROWS
from orders_http.api.cursors import cursor_of_id
from orders_http.api.http_messages import KIB
from orders_http.api.openapi import OpenApiDocument
from orders_http.api.orders import MAX_JSON_BYTES
from orders_http.api.page.sessions import COOKIE, HOST_PREFIX
from orders_http.api.problems import CONTENT_TYPE as PROBLEM_TYPE
from orders_http.api.problems import RETRY_AFTER_SECONDS, ProblemType
from orders_http.api.request_ids import REQUEST_ID
from orders_http.api.routes import ENDPOINTS
from orders_records import CSV_HEADER, MediaType
from orders_tokens import Scope
from tests.http.strategies import awkward_id_texts
from tests.http.wsgi_client import WsgiClient
from tests.strategies import amounts

RAW: dict[str, Any] = json.loads(OpenApiDocument.of_version("1.2.3").content)
METHODS = ("get", "head", "post", "options")


def dereferenced(part: Any) -> Any:  # noqa: ANN401 - JSON
    """Replace every reference by its target."""
    if isinstance(part, list):
        return [dereferenced(item) for item in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        _, _, kind, name = part["$ref"].split("/")
        return dereferenced(RAW["components"][kind][name])
    return {name: dereferenced(item) for name, item in part.items()}


DOCUMENT: dict[str, Any] = dereferenced(RAW)
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
PROBLEMS = [each for each in ProblemType if each.name not in {"FOREIGN_ORIGIN", "INTERNAL_ERROR"}]
"""All but those of the page's forms and of a defect, which no program can cause."""


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def operation(path: str, method: str) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][path][method]
    return found


def parameter(path: str, name: str) -> dict[str, Any]:
    (found,) = [each for each in operation(path, "get")["parameters"] if each["name"] == name]
    return dict(found)


def references(part: object) -> Iterator[str]:
    """Yield every reference."""
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"]
        for item in part.values():
            yield from references(item)
    if isinstance(part, list):
        for item in part:
            yield from references(item)


def is_valid(schema: str, value: object) -> bool:
    """Check a value against a component's schema."""
    root = {"$ref": f"#/components/schemas/{schema}", "components": DOCUMENT["components"]}
    return jsonschema_rs.is_valid(root, value)


def test_it_is_valid_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(RAW).validate()


def test_it_names_the_version_of_the_distribution(client: WsgiClient) -> None:
    answer = client.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["info"]["version"] == version("orders-core")


def test_a_client_with_the_current_version_gets_304(client: WsgiClient) -> None:
    tag = client.get("/openapi.json").headers["etag"]
    assert client.get("/openapi.json", If_None_Match=tag).status == 304


def test_the_paths_and_methods_are_those_of_the_application(client: WsgiClient) -> None:
    described = {
        (path.replace("{", "<").replace("}", ">"), method.upper())
        for path, method, _ in operations()
        if method not in {"head", "options"}
    }
    assert described == {(each.path, each.method) for each in ENDPOINTS}
    for path, item in DOCUMENT["paths"].items():
        allow = client.request("OPTIONS", path.replace("{id}", "A-1")).headers["allow"]
        assert {method.lower() for method in allow.split(", ")} == set(item)


def test_the_security_is_that_of_the_application() -> None:
    for endpoint in ENDPOINTS:
        path = endpoint.path.replace("<", "{").replace(">", "}")
        security = operation(path, endpoint.method.lower()).get("security", [])
        if isinstance(endpoint.access, Scope):
            assert security == [{}, {"bearer": [endpoint.access.value]}]
        elif endpoint.access == "session":
            assert security[0] == {}
            assert set(security[1]) == {"session"}
        else:
            assert security == []


def test_the_limits_are_those_of_the_code() -> None:
    assert (parameter("/orders", "limit")["schema"]) == {
        "type": "integer",
        "minimum": 1,
        "maximum": MAX_PAGE,
        "default": MAX_PAGE,
    }
    assert SCHEMAS["Orders"]["maxItems"] == MAX_PAGE
    assert SCHEMAS["NewOrders"]["maxItems"] == MAX_BULK_ROWS
    for name in ("created", "replayed"):
        assert SCHEMAS["Placed"]["properties"][name]["maximum"] == MAX_BULK_ROWS
    bulk = operation("/orders", "post")["description"]
    assert f"{MAX_BULK_ROWS} orders, blank lines included, and {MAX_BULK_BYTES // KIB} KiB" in bulk
    too_large = DOCUMENT["components"]["examples"]["body-too-large"]["value"]["detail"]
    assert too_large == f"the body is longer than {MAX_JSON_BYTES // KIB} KiB"
    assert SCHEMAS["OrderId"]["maxLength"] == MAX_ID_LENGTH
    maximum = float(Amount.from_cents(MAX_CENTS).value)
    assert SCHEMAS["Amount"]["maximum"] == maximum
    assert SCHEMAS["NewAmount"]["oneOf"][0]["maximum"] == maximum
    assert f"{MAX_AMOUNT_LENGTH} characters" in SCHEMAS["AmountText"]["description"]


def class_of(ranges: Ranges) -> str:
    """Write a character class that ECMA-262 (with `u`) and Python both read."""
    return "".join(f"{escaped(first)}-{escaped(last)}" for first, last in ranges)


def escaped(code_point: int) -> str:
    # They share no escape for code points beyond four digits.
    return rf"\u{code_point:04x}" if code_point <= 0xFFFF else chr(code_point)


def test_the_pattern_of_ids_is_made_of_the_characters_that_the_core_refuses() -> None:
    controls = class_of(CONTROLS)
    edge = f"[^{controls}{class_of(SPACES + INVISIBLE)}]"
    expected = rf"^(?!\.\.?$){edge}(?:[^{controls}]*{edge})?$"
    assert SCHEMAS["OrderId"]["pattern"] == expected


def test_the_media_types_are_those_of_the_application(client: WsgiClient) -> None:
    assert set(operation("/orders", "post")["requestBody"]["content"]) == {
        each.value for each in MediaType
    }
    assert set(operation("/orders", "get")["responses"]["200"]["content"]) == {
        client.get("/orders", Accept=each.value).headers["content-type"] for each in MediaType
    }
    page = client.get("/").headers["content-type"]
    assert set(operation("/", "get")["responses"]["200"]["content"]) == {page}
    not_found = DOCUMENT["components"]["responses"]["NotFound"]["content"]
    assert set(not_found) == {PROBLEM_TYPE, page}
    assert f"`{CSV_HEADER}`" in DOCUMENT["tags"][0]["description"]


def test_the_headers_and_the_cookie_are_those_of_the_code() -> None:
    headers = DOCUMENT["components"]["headers"]
    assert headers["Retry-After"]["example"] == str(RETRY_AFTER_SECONDS)
    cookie = f"{HOST_PREFIX}{COOKIE}"
    assert headers["Set-Cookie"]["example"].startswith(f"{cookie}=")
    session = DOCUMENT["components"]["securitySchemes"]["session"]
    assert session["name"] == cookie
    assert f"`{COOKIE}`" in session["description"]
    for path, method, described in operations():
        for status, response in described["responses"].items():
            assert response["headers"][REQUEST_ID]["required"], (path, method, status)


def test_the_problems_are_those_of_the_code() -> None:
    assert SCHEMAS["Problem"]["properties"]["type"]["enum"] == [each.uri for each in ProblemType]
    examples = DOCUMENT["components"]["examples"]
    for each in PROBLEMS:
        example = examples[each.uri.rpartition(":")[2]]
        assert example["summary"] == each.title
        assert example["value"]["type"] == each.uri
        assert example["value"]["title"] == each.title
        assert example["value"]["status"] == each.status
        assert example["value"]["error"] == example["value"]["detail"]


def test_the_examples_of_cursors_are_cursors() -> None:
    cursor = cursor_of_id(OrderId("A-1"))
    for path, names in (("/orders", ["after"]), ("/", ["after", "before"])):
        for name in names:
            assert parameter(path, name)["example"] == cursor
    assert f"?after={cursor}&" in DOCUMENT["components"]["headers"]["Link"]["example"]


def test_every_component_is_used() -> None:
    named = set(re.findall(r"#/components/\w+/[\w-]+", RAW["info"]["description"]))
    used = {*references(RAW), *named}
    for kind, components in RAW["components"].items():
        if kind == "securitySchemes":
            continue
        assert [name for name in components if f"#/components/{kind}/{name}" not in used] == []


def test_every_operation_has_a_unique_id() -> None:
    ids = [described["operationId"] for _, _, described in operations()]
    assert len(set(ids)) == len(ids)


def test_every_example_is_valid() -> None:
    checked = 0
    for _, _, described in operations():
        bodies = [described.get("requestBody", {}), *described["responses"].values()]
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
    for path, method, described in operations():
        for each in described.get("parameters", ()):
            assert {"example", "examples"} & set(each), (path, each["name"])
        for body in [described.get("requestBody", {}), *described["responses"].values()]:
            for media_type, media in body.get("content", {}).items():
                assert {"example", "examples"} & set(media), (path, method, media_type)


def test_every_operation_describes_the_errors_on_arrival() -> None:
    for path, method, described in operations():
        assert {"408", "421", "431"} <= set(described["responses"]), (path, method)


def test_unsupported_methods_are_described_with_allow() -> None:
    response = DOCUMENT["components"]["responses"]["MethodNotAllowed"]
    assert response["headers"]["Allow"]["required"]
    assert "#/components/responses/MethodNotAllowed" in DOCUMENT["info"]["description"]


def test_every_error_has_an_example_of_each_of_its_types() -> None:
    for path, _, described in operations():
        for status, response in described["responses"].items():
            problem = response.get("content", {}).get("application/problem+json")
            if problem is None:
                # The page shows its errors itself, and HEAD has no body.
                continue
            assert problem["examples"], (path, status)
            for example in problem["examples"].values():
                assert str(example["value"]["status"]) == status


def test_every_error_is_also_described_as_a_page() -> None:
    for path, method, described in operations():
        for status, response in described["responses"].items():
            if status >= "400" and method != "head":
                assert "text/html; charset=utf-8" in response["content"], (path, method, status)


def test_every_error_is_described_as_not_cached() -> None:
    for path, method, described in operations():
        for status, response in described["responses"].items():
            if status >= "400":
                assert response["headers"]["Cache-Control"]["required"], (path, method, status)


def test_every_503_has_retry_after() -> None:
    statuses = [
        response["headers"]["Retry-After"]["required"]
        for _, _, described in operations()
        for status, response in described["responses"].items()
        if status == "503"
    ]
    assert statuses == [True] * 8


@given(awkward_id_texts())
def test_every_id_is_valid(text: str) -> None:
    assert is_valid("OrderId", text)


@given(st.text(max_size=130) | st.text("a. \n\x00\x85\u3000\ufeff\u200b\U000e0041", max_size=5))
def test_the_schema_accepts_exactly_the_valid_ids(text: str) -> None:
    try:
        OrderId(text)
    except InvalidOrder:
        assert not is_valid("OrderId", text)
    else:
        assert is_valid("OrderId", text)


def test_the_pattern_of_ids_means_the_same_to_python() -> None:
    pattern = re.compile(SCHEMAS["OrderId"]["pattern"])
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
    amount = SCHEMAS["NewOrder"]["properties"]["amount"]
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
def test_every_text_that_the_schema_accepts_is_an_amount(text: str) -> None:
    if is_valid("AmountText", text):
        Order("A", text)


@pytest.mark.parametrize(
    "order",
    [{}, {"id": "A"}, {"id": "A", "amount": 1, "x": 1}, {"id": 1, "amount": 1}, [], None]
    + [{"id": "A", "amount": amount} for amount in (-1, 1e13, "1.005", "", "a", True, None)],
)
def test_an_invalid_order_does_not_fit_the_schema(order: object) -> None:
    assert not is_valid("NewOrder", order)


def test_the_problems_of_the_service_fit_the_schema(client: WsgiClient) -> None:
    answers = [
        client.post("{}"),
        client.post('{"id":"","amount":-1}'),
        client.post('{"id":"A"}\n{"id":"B"}\n', "application/x-ndjson"),
        client.get("/nothing"),
        client.request("PUT", "/orders"),
    ]
    assert all(is_valid("Problem", answer.json()) for answer in answers)
