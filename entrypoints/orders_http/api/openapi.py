"""The OpenAPI 3.1 description of the HTTP interface, built of the constants that the code uses.

Only what OpenAPI cannot say stands in words: that a query's `id` goes without other parameters,
and that HEAD and OPTIONS are there wherever GET is.
"""

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from attrs import frozen

from orders_core import MAX_AMOUNT_LENGTH, MAX_CENTS, MAX_ID_LENGTH, MAX_PAGE, Amount, Order
from orders_core.characters import CONTROLS, INVISIBLE, SPACES, Ranges
from orders_http.api.bulk import MAX_BULK_BYTES, MAX_BULK_ROWS
from orders_http.api.cursors import cursor_of_id
from orders_http.api.messages import KIB, Reply, Request
from orders_http.api.orders import MAX_JSON_BYTES
from orders_http.api.page.sessions import COOKIE, HOST_PREFIX
from orders_http.api.problems import CONTENT_TYPE as PROBLEM_TYPE
from orders_http.api.problems import RETRY_AFTER_SECONDS, Problem, ProblemType
from orders_http.api.request_ids import REQUEST_ID
from orders_records import CSV_HEADER, MediaType
from orders_tokens import Scope

Object = dict[str, Any]

_FOUR_DIGITS: Final = 0xFFFF


def _class_of(ranges: Ranges) -> str:
    """Write a character class as ECMA-262 and Python alike read it, with `u` (JSON Schema)."""
    return "".join(f"{_escaped(first)}-{_escaped(last)}" for first, last in ranges)


def _escaped(code_point: int) -> str:
    # The two have no escape in common for what lies beyond four digits.
    return rf"\u{code_point:04x}" if code_point <= _FOUR_DIGITS else chr(code_point)


_CONTROLS: Final = _class_of(CONTROLS)
_EDGE: Final = f"[^{_CONTROLS}{_class_of(SPACES + INVISIBLE)}]"
_ID_PATTERN: Final = rf"^(?!\.\.?$){_EDGE}(?:[^{_CONTROLS}]*{_EDGE})?$"
# Every text of this form is an amount; of the other forms of JSON numbers some are, as 1e2.
_AMOUNT_PATTERN: Final = r"^(0|[1-9][0-9]{0,12})(\.[0-9]{1,2})?$"

_EXAMPLE: Final = Order("A-1", "12.30")
_HTML: Final = "text/html; charset=utf-8"
_FORM: Final = "application/x-www-form-urlencoded"
_SVG: Final = "image/svg+xml"
_EXAMPLE_ICON: Final = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"></svg>'
_PAGE: Final[Object] = {
    "schema": {"type": "string"},
    "example": '<!doctype html><html lang="en"><title>Orders</title><h1>Orders</h1></html>',
}
_CSV: Final = f"{MediaType.CSV.value}; charset=utf-8; header=present"

_DESCRIPTION: Final = f"""\
An order is an id, which its client chooses, and an amount. It is stored once and for ever; the
id is the key that makes storing it idempotent, so that any request may be sent again.

Amounts are exact, with two decimal places, from 0.00 to {Amount.from_cents(MAX_CENTS)}. They
are never rounded.

Of NDJSON (a JSON object in each line) and of CSV (RFC 4180, the first line is `{CSV_HEADER}`) the
schemas and examples show the lines as the items of an array.

Every answer has an `X-Request-Id`, which the service's log has too. A request may bring its own.

Every error is a problem (RFC 9457) whose `type` is stable. A client whose `Accept` names
`text/html`, and likes it better than JSON, gets the same error as a page. Unsupported methods get
405 and `Allow` (`#/components/responses/MethodNotAllowed`), unknown paths 404
(`#/components/responses/NotFound`), requests that two readers could take apart differently 400.

Whether clients need a token is for the people to say who run the service. Where they do, a request
without one is answered with 401; where they do not, tokens mean nothing, and there is no log-in.
"""

_DETAILS: Final[Mapping[ProblemType, str]] = {
    ProblemType.MALFORMED_REQUEST: "the path is not UTF-8",
    ProblemType.MALFORMED_BODY: "the object lacks amount",
    ProblemType.INVALID_QUERY: f"limit must be a whole number from 1 to {MAX_PAGE}",
    ProblemType.TOKEN_REQUIRED: "send a token, as in Authorization: Bearer orders_...",
    ProblemType.INVALID_TOKEN: "the token is none of this service, or was revoked",
    ProblemType.INSUFFICIENT_SCOPE: "the token has not the scope write, which this takes",
    ProblemType.NOT_FOUND: "there is nothing at /order",
    ProblemType.ORDER_NOT_FOUND: "no order has the id 'A-1'",
    ProblemType.METHOD_NOT_ALLOWED: "DELETE is not allowed at /orders/A-1; allowed: GET, HEAD, "
    "OPTIONS",
    ProblemType.NOT_ACCEPTABLE: "Accept 'image/png' allows none of application/json",
    ProblemType.REQUEST_TIMEOUT: "it took longer than 10 s to arrive",
    ProblemType.ORDER_CONFLICT: "order 'A-1' is already stored with another amount",
    ProblemType.BODY_TOO_LARGE: f"the body is longer than {MAX_JSON_BYTES // KIB} KiB",
    ProblemType.UNSUPPORTED_MEDIA_TYPE: "Content-Type is text/plain; it must be one of "
    + ", ".join(each.value for each in MediaType),
    ProblemType.MISDIRECTED_REQUEST: "host 'shop.example' is not served here; "
    "the service's setting allowed_hosts lists the names that are",
    ProblemType.INVALID_ORDER: "amount has more than two decimal places; it is never rounded",
    ProblemType.HEADERS_TOO_LARGE: "the request line and the headers are longer than 16 KiB",
    ProblemType.STORE_UNAVAILABLE: "the orders cannot be reached now; send the same request again",
}
# In front of every handler, the page's too.
_ON_ARRIVAL: Final = (
    ProblemType.REQUEST_TIMEOUT,
    ProblemType.MISDIRECTED_REQUEST,
    ProblemType.HEADERS_TOO_LARGE,
)
_EVERYWHERE: Final = (ProblemType.MALFORMED_REQUEST, *_ON_ARRIVAL)
_WITH_TOKENS: Final = (
    ProblemType.TOKEN_REQUIRED,
    ProblemType.INVALID_TOKEN,
    ProblemType.INSUFFICIENT_SCOPE,
)
_HEADERS_OF_STATUS: Final[Mapping[HTTPStatus, tuple[str, ...]]] = {
    HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate",),
    HTTPStatus.FORBIDDEN: ("WWW-Authenticate",),
    HTTPStatus.METHOD_NOT_ALLOWED: ("Allow",),
    HTTPStatus.SERVICE_UNAVAILABLE: ("Retry-After",),
}


@frozen
class OpenApiDocument:
    """The handler of `/openapi.json`.

    Attributes:
        content: The description, encoded once.
    """

    content: bytes

    @classmethod
    def of_version(cls, version: str, root: str = "") -> "OpenApiDocument":
        """Describe this release.

        Args:
            version: The version of the distribution.
            root: The path below which it is served; empty when there is none.
        """
        document = _document(version)
        if root:
            document["servers"] = [{"url": root}]
        return cls(json.dumps(document, separators=(",", ":")).encode())

    def get(self, request: Request) -> Reply:
        """Answer with the description."""
        headers = (("Cache-Control", "no-cache"),)
        return request.answered_conditionally(
            Reply(HTTPStatus.OK, self.content, MediaType.JSON.value, headers),
        )


def _document(version: str) -> Object:
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Orders",
            "version": version,
            "summary": "Takes orders, keeps them, and never loses or doubles one.",
            "description": _DESCRIPTION,
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "tags": [
            {"name": "orders", "description": "For programs."},
            {"name": "page", "description": "For people: HTML, without script."},
            {"name": "service", "description": "About the service itself."},
        ],
        "paths": {
            path: _with_head_and_options(item)
            for path, item in {
                "/orders": {"get": _list_orders(), "post": _place_orders()},
                "/orders/{id}": {"get": _get_order()},
                "/": {"get": _show_page(), "post": _submit_form()},
                "/login": {"get": _show_log_in(), "post": _log_in()},
                "/logout": {"post": _log_out()},
                "/favicon.svg": {"get": _get_icon()},
                "/health": {"get": _get_health()},
                "/openapi.json": {"get": _get_description()},
            }.items()
        },
        "components": {
            "schemas": _schemas(),
            "responses": {
                "NotFound": _problems(ProblemType.NOT_FOUND)["404"],
                "MethodNotAllowed": _problems(ProblemType.METHOD_NOT_ALLOWED)["405"],
            },
            "headers": _headers(),
            "parameters": _parameters(),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": (
                        "A token, with the scopes `read` and `write`, of which neither includes "
                        "the other (RFC 6750)."
                    ),
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": f"{HOST_PREFIX}{COOKIE}",
                    "description": (
                        "The page's: `/login` begins it, `/logout` ends it. On plain HTTP its name "
                        f"is `{COOKIE}`."
                    ),
                },
            },
        },
    }


def _with_head_and_options(item: Mapping[str, Object]) -> Object:
    """Add what goes by itself: OPTIONS, and with GET also HEAD, which is GET without the body."""
    operation = next(iter(item.values()))
    options: Object = {
        "operationId": f"{operation['operationId']}Methods",
        "summary": "Tell which methods this path has",
        "tags": ["service"],
        "responses": {
            "204": _response("The methods are in `Allow`.", headers=("Allow",)),
            **_problems(*_EVERYWHERE),
        },
    }
    if _reference("parameters", "Id") in operation.get("parameters", ()):
        # The methods are those of every id, whether an order can have it or not.
        options["parameters"] = [{**_parameters()["Id"], "schema": {"type": "string"}}]
    added = {"options": options}
    if "get" in item:
        added["head"] = _head(item["get"])
    return {**item, **added}


def _head(get: Object) -> Object:
    responses = {
        status: {name: part for name, part in response.items() if name not in {"content", "links"}}
        for status, response in get["responses"].items()
    }
    return {
        **get,
        "operationId": f"{get['operationId']}Headers",
        "summary": f"{get['summary']} (the headers alone)",
        "responses": responses,
    }


def _list_orders() -> Object:
    return {
        "operationId": "listOrders",
        "summary": "List orders by id, or look one up",
        "description": (
            "Orders come in ascending order of id, by code point. When there are more, `Link` "
            "leads to those that follow: a scan along it sees every order that was stored before "
            "it began exactly once.\n\nWith `id`, which goes without other parameters, the answer "
            "is that one order, as at `/orders/{id}`: for ids that proxies mangle in paths."
        ),
        "tags": ["orders"],
        "security": _security("bearer", Scope.READ),
        "parameters": [
            {
                "name": "limit",
                "in": "query",
                "description": "How many orders at most.",
                "schema": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MAX_PAGE,
                    "default": MAX_PAGE,
                },
                "example": 100,
            },
            {
                "name": "after",
                "in": "query",
                "description": "Where to go on: an opaque cursor, taken from `Link`.",
                "schema": {"type": "string", "format": "orders-cursor"},
                "example": cursor_of_id(_EXAMPLE.id),
            },
            {
                "name": "id",
                "in": "query",
                "description": "The id of the one order to look up.",
                "schema": _reference("schemas", "OrderId"),
                "examples": {"one": {"value": _EXAMPLE.id.value}},
            },
            _reference("parameters", "IfNoneMatch"),
        ],
        "responses": {
            "200": _response(
                "The orders, or the one that was looked up.",
                {
                    MediaType.JSON.value: {
                        "schema": {
                            "oneOf": [
                                _reference("schemas", "Orders"),
                                _reference("schemas", "Order"),
                            ],
                        },
                        "examples": {
                            "list": {"value": [_example_order()]},
                            "one": {"value": _example_order()},
                        },
                    },
                    MediaType.NDJSON.value: _lines(_reference("schemas", "Orders")),
                    _CSV: _lines(_reference("schemas", "Orders")),
                },
                headers=("ETag", "Cache-Control"),
                optional_headers=("Link", "Vary"),
            ),
            "304": _not_modified(),
            **_problems(
                *_EVERYWHERE,
                *_WITH_TOKENS,
                ProblemType.INVALID_QUERY,
                ProblemType.ORDER_NOT_FOUND,
                ProblemType.NOT_ACCEPTABLE,
                ProblemType.STORE_UNAVAILABLE,
            ),
        },
    }


def _place_orders() -> Object:
    return {
        "operationId": "placeOrders",
        "summary": "Store one order, or many at once",
        "description": (
            "The same request may be sent again at any time: an order that is stored already is "
            "not stored twice.\n\nMany orders are stored all or none, each in its own line: at "
            f"most {MAX_BULK_ROWS}, blank lines counted, and {MAX_BULK_BYTES // KIB} KiB. "
            "`errors` names each wrong line."
        ),
        "tags": ["orders"],
        "security": _security("bearer", Scope.WRITE),
        "requestBody": {
            "required": True,
            "content": {
                MediaType.JSON.value: {
                    "schema": _reference("schemas", "NewOrder"),
                    "examples": {
                        "number": {"value": _example_order()},
                        "text": {"value": {"id": "A-2", "amount": "0.10"}},
                    },
                },
                MediaType.NDJSON.value: _lines(_reference("schemas", "NewOrders")),
                MediaType.CSV.value: _lines(_reference("schemas", "NewOrders")),
            },
        },
        "responses": {
            "200": _response(
                "The order was stored already; of many, how many were created and how many were "
                "there.",
                {
                    MediaType.JSON.value: {
                        "schema": {
                            "oneOf": [
                                _reference("schemas", "Order"),
                                _reference("schemas", "Placed"),
                            ],
                        },
                        "examples": {
                            "one": {"value": _example_order()},
                            "many": {"value": {"created": 998, "replayed": 2}},
                        },
                    },
                },
                optional_headers=("Idempotent-Replayed", "ETag"),
            ),
            "201": _response(
                "The order is stored.",
                {
                    MediaType.JSON.value: {
                        "schema": _reference("schemas", "Order"),
                        "example": _example_order(),
                    },
                },
                headers=("Location", "ETag"),
                links=_order_link(),
            ),
            **_problems(
                *_EVERYWHERE,
                *_WITH_TOKENS,
                ProblemType.MALFORMED_BODY,
                ProblemType.INVALID_QUERY,
                ProblemType.NOT_ACCEPTABLE,
                ProblemType.ORDER_CONFLICT,
                ProblemType.BODY_TOO_LARGE,
                ProblemType.UNSUPPORTED_MEDIA_TYPE,
                ProblemType.INVALID_ORDER,
                ProblemType.STORE_UNAVAILABLE,
            ),
        },
    }


def _get_order() -> Object:
    return {
        "operationId": "getOrder",
        "summary": "Look up one order",
        "tags": ["orders"],
        "security": _security("bearer", Scope.READ),
        "parameters": [_reference("parameters", "Id"), _reference("parameters", "IfNoneMatch")],
        "responses": {
            "200": _response(
                "The order.",
                {
                    MediaType.JSON.value: {
                        "schema": _reference("schemas", "Order"),
                        "example": _example_order(),
                    },
                },
                headers=("ETag", "Cache-Control"),
            ),
            "304": _not_modified(),
            **_problems(
                *_EVERYWHERE,
                *_WITH_TOKENS,
                ProblemType.INVALID_QUERY,
                ProblemType.ORDER_NOT_FOUND,
                ProblemType.NOT_ACCEPTABLE,
                ProblemType.STORE_UNAVAILABLE,
            ),
        },
    }


def _show_page() -> Object:
    cursor = {"type": "string", "format": "orders-cursor"}
    place = cursor_of_id(_EXAMPLE.id)
    order_id = {"type": "string"}
    named = _EXAMPLE.id.value
    return {
        "operationId": "showPage",
        "summary": "Show the orders to a person",
        "description": "The parameters exclude each other.",
        "tags": ["page"],
        "security": _security("session", Scope.READ),
        "parameters": [
            _query("after", "Show the orders behind this place.", cursor, place),
            _query("before", "Show the orders in front of this place.", cursor, place),
            _query("id", "Look up the order with this id.", order_id, named),
            _query("stored", "Show that the order with this id was stored.", order_id, named),
        ],
        "responses": {
            "200": _page_response("The page."),
            "404": _page_response("The page: no order has this id."),
            "400": _page_or_problem("The query cannot be understood."),
            "401": _page_response("The form that asks for a token.", "WWW-Authenticate"),
            "403": _page_response("The token does not allow to read.", "WWW-Authenticate"),
            **_problems(*_ON_ARRIVAL),
            "503": _page_response("The page: the orders cannot be reached.", "Retry-After"),
        },
    }


def _submit_form() -> Object:
    return {
        "operationId": "submitForm",
        "summary": "Store an order from the page's form",
        "description": (
            "For browsers. The form is answered when it was sent from the page itself, as "
            "`Sec-Fetch-Site` or else `Origin` tells. An amount may have a decimal comma. Programs "
            "use `POST /orders`."
        ),
        "tags": ["page"],
        "security": _security("session", Scope.READ, Scope.WRITE),
        "parameters": _form_parameters(),
        "requestBody": {
            "required": True,
            "content": {
                _FORM: {
                    "schema": {
                        "type": "object",
                        "properties": {
                            "id": _reference("schemas", "OrderId"),
                            "amount": _reference("schemas", "AmountText"),
                        },
                        "required": ["id", "amount"],
                        "additionalProperties": False,
                    },
                    "example": {"id": _EXAMPLE.id.value, "amount": str(_EXAMPLE.amount)},
                },
            },
        },
        "responses": {
            "303": _response("The order is stored; the page shows it.", headers=("Location",)),
            "400": _page_or_problem("The request cannot be understood."),
            "401": _page_response("The form that asks for a token.", "WWW-Authenticate"),
            "403": _page_response(
                "The form was sent from another site, or the token does not allow to store.",
            ),
            "409": _page_response("The form again: the id is stored with another amount."),
            "413": _page_response("The form is too large."),
            "415": _page_response("This is not how the form is sent."),
            **_problems(*_ON_ARRIVAL),
            "422": _page_response("The form again, with what is wrong and what was typed."),
            "503": _page_response(
                "The form again: it is not known whether the order is stored. It is safe to send "
                "it again.",
                "Retry-After",
            ),
        },
    }


def _show_log_in() -> Object:
    return {
        "operationId": "showLogIn",
        "summary": "Show the form that asks for a token",
        "tags": ["page"],
        "responses": {
            "200": _page_response("The form."),
            **_problems(*_EVERYWHERE, ProblemType.NOT_FOUND),
        },
    }


def _log_in() -> Object:
    return {
        "operationId": "logIn",
        "summary": "Begin a session of the page",
        "description": "For browsers, like the form of the page.",
        "tags": ["page"],
        "parameters": _form_parameters(),
        "requestBody": {
            "required": True,
            "content": {
                _FORM: {
                    "schema": {
                        "type": "object",
                        "properties": {"token": {"type": "string", "format": "password"}},
                        "required": ["token"],
                        "additionalProperties": False,
                    },
                    "example": {"token": "orders_..."},
                },
            },
        },
        "responses": {
            "303": _response(
                "The session has begun; the page is there.", headers=("Location", "Set-Cookie")
            ),
            "400": _page_or_problem("The request cannot be understood."),
            "401": _page_response("The form again: this is no token.", "WWW-Authenticate"),
            "403": _page_response("The form was sent from another site."),
            "413": _page_response("The form is too large."),
            "415": _page_response("This is not how the form is sent."),
            **_problems(*_ON_ARRIVAL, ProblemType.NOT_FOUND),
        },
    }


def _log_out() -> Object:
    return {
        "operationId": "logOut",
        "summary": "End a session of the page",
        "description": "For browsers, like the form of the page.",
        "tags": ["page"],
        "parameters": _form_parameters(),
        "responses": {
            "303": _response("The session is over.", headers=("Location", "Set-Cookie")),
            "403": _page_response("The form was sent from another site."),
            **_problems(*_EVERYWHERE, ProblemType.NOT_FOUND),
        },
    }


def _get_icon() -> Object:
    return {
        "operationId": "getIcon",
        "summary": "The page's icon",
        "tags": ["page"],
        "parameters": [_reference("parameters", "IfNoneMatch")],
        "responses": {
            "200": _response(
                "The icon.",
                {_SVG: {"schema": {"type": "string"}, "example": _EXAMPLE_ICON}},
                headers=("ETag", "Cache-Control"),
            ),
            "304": _not_modified(),
            **_problems(*_EVERYWHERE),
        },
    }


def _get_health() -> Object:
    health = {"status": "ok"}
    return {
        "operationId": "getHealth",
        "summary": "Tell that the service answers",
        "description": ("It does not ask the database: `/readyz` of the operations listener does."),
        "tags": ["service"],
        "responses": {
            "200": _response(
                "The service answers.",
                {
                    MediaType.JSON.value: {
                        "schema": _reference("schemas", "Health"),
                        "example": health,
                    },
                },
            ),
            **_problems(*_EVERYWHERE),
        },
    }


def _get_description() -> Object:
    return {
        "operationId": "getDescription",
        "summary": "This description",
        "tags": ["service"],
        "parameters": [_reference("parameters", "IfNoneMatch")],
        "responses": {
            "200": _response(
                "An OpenAPI 3.1 document.",
                {
                    MediaType.JSON.value: {
                        "schema": {
                            "type": "object",
                            "required": ["openapi", "info", "paths"],
                        },
                        "example": {
                            "openapi": "3.1.0",
                            "info": {"title": "Orders", "version": "1.0.0"},
                            "paths": {},
                        },
                    },
                },
                headers=("ETag", "Cache-Control"),
            ),
            "304": _not_modified(),
            **_problems(*_EVERYWHERE),
        },
    }


def _schemas() -> Object:
    order_id = {
        "type": "string",
        "description": (
            "Kept exactly as it is. No control characters, no lone surrogates, no white space and "
            "no invisible or format characters at either end, not `.` or `..`."
        ),
        "minLength": 1,
        "maxLength": MAX_ID_LENGTH,
        "pattern": _ID_PATTERN,
        "examples": [_EXAMPLE.id.value],
    }
    amount_text = {
        "type": "string",
        "description": (
            f"A decimal number with at most two decimal places and {MAX_AMOUNT_LENGTH} "
            "characters. Other forms of the same values are understood too, such as `1e2`."
        ),
        "pattern": _AMOUNT_PATTERN,
        "examples": [str(_EXAMPLE.amount)],
    }
    # No `multipleOf`: many readers of JSON Schema divide doubles for it, and would refuse 0.07.
    amount_number = {
        "type": "number",
        "description": (
            "A number with at most two decimal places. It is never rounded: one with more is "
            "refused with 422."
        ),
        "minimum": 0,
        "maximum": float(Amount.from_cents(MAX_CENTS).value),
    }
    members: Object = {
        "type": "object",
        "required": ["id", "amount"],
        "additionalProperties": False,
    }
    return {
        "OrderId": order_id,
        "AmountText": amount_text,
        "Amount": {
            **amount_number,
            "description": "Exact, always written with two decimal places.",
            "examples": [float(_EXAMPLE.amount.value)],
        },
        "NewOrder": {
            **members,
            "properties": {
                "id": _reference("schemas", "OrderId"),
                "amount": {
                    "oneOf": [amount_number, _reference("schemas", "AmountText")],
                    "examples": [float(_EXAMPLE.amount.value), str(_EXAMPLE.amount)],
                },
            },
            "examples": [_example_order()],
        },
        "Order": {
            **members,
            "properties": {
                "id": _reference("schemas", "OrderId"),
                "amount": _reference("schemas", "Amount"),
            },
            "examples": [_example_order()],
        },
        "NewOrders": {
            "type": "array",
            "items": _reference("schemas", "NewOrder"),
            "minItems": 1,
            "maxItems": MAX_BULK_ROWS,
        },
        "Orders": {
            "type": "array",
            "items": _reference("schemas", "Order"),
            "maxItems": MAX_PAGE,
        },
        "Placed": {
            "type": "object",
            "description": "What became of many orders.",
            "required": ["created", "replayed"],
            "properties": {
                "created": {"type": "integer", "minimum": 0, "maximum": MAX_BULK_ROWS},
                "replayed": {"type": "integer", "minimum": 0, "maximum": MAX_BULK_ROWS},
            },
            "additionalProperties": False,
        },
        "Health": {
            "type": "object",
            "required": ["status"],
            "properties": {"status": {"const": "ok"}},
            "additionalProperties": False,
        },
        "Problem": _problem_schema(),
    }


def _problem_schema() -> Object:
    return {
        "type": "object",
        "description": "Problem details (RFC 9457).",
        "required": ["type", "title", "status", "detail", "error"],
        "properties": {
            "type": {
                "description": "Which problem it is; stable.",
                "enum": [each.uri for each in ProblemType],
            },
            "title": {"type": "string", "description": "The type in words."},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {
                "type": "string",
                "description": "What was wrong with this request and what would be right.",
            },
            "error": {"type": "string", "description": "The same as `detail`."},
            "errors": {
                "type": "array",
                "description": "Each wrong member of an order, or each wrong line.",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["detail"],
                    "properties": {
                        "member": {
                            "type": "string",
                            "description": "The name of what is wrong, a long one cut short.",
                        },
                        "line": {
                            "type": "integer",
                            "minimum": 1,
                            "description": "The line of the body, counted from 1.",
                        },
                        "last_line": {
                            "type": "integer",
                            "minimum": 2,
                            "description": "Where a row of CSV in several lines ends.",
                        },
                        "detail": {"type": "string"},
                    },
                    "additionalProperties": False,
                },
            },
        },
        "additionalProperties": False,
    }


def _headers() -> Object:
    def header(description: str, example: str, **schema: object) -> Object:
        return {
            "description": description,
            "schema": {"type": "string", **schema},
            "example": example,
        }

    return {
        "Allow": header("The methods of this path.", "GET, HEAD, OPTIONS"),
        "Cache-Control": header("How long the answer may be kept.", "no-cache"),
        "ETag": header(
            "Names this version of the answer.",
            '"fcfd8c98da1d02a01e92e0c8ef4b5bb2"',
            pattern='^"[0-9a-f]+"$',
        ),
        "Idempotent-Replayed": header(
            "`true` when this same order was stored already; not there otherwise.",
            "true",
            const="true",
        ),
        "Link": header(
            "Leads to the orders that follow (RFC 8288); not there when these are the last.",
            f'</orders?after={cursor_of_id(_EXAMPLE.id)}&limit=100>; rel="next"',
        ),
        "Location": header(
            "Where the result is.", f"/orders/{_EXAMPLE.id}", format="uri-reference"
        ),
        "Set-Cookie": header(
            "The session's cookie, or that it is to be forgotten.",
            f"{HOST_PREFIX}{COOKIE}=...; Path=/; HttpOnly; SameSite=Strict; Secure",
        ),
        "WWW-Authenticate": header(
            "Asks for a token, and tells what was wrong with the one that came (RFC 6750).",
            'Bearer realm="orders"',
        ),
        "Retry-After": header(
            "Seconds to wait before the same request is sent again.",
            str(RETRY_AFTER_SECONDS),
            pattern="^[0-9]+$",
        ),
        REQUEST_ID: header(
            "What the request is called in the service's log: the request's own `X-Request-Id` "
            "when that is 1 to 64 letters, digits and hyphens, else a new one.",
            "4bf92f3577b3-1",
            pattern="^[A-Za-z0-9-]{1,64}$",
        ),
        "Vary": header("The answer depends on this request header.", "Accept"),
    }


def _parameters() -> Object:
    return {
        "Id": {
            "name": "id",
            "in": "path",
            "required": True,
            "description": "The order's id, percent-encoded; a slash in it may stand as it is.",
            "schema": _reference("schemas", "OrderId"),
            "examples": {"one": {"value": _EXAMPLE.id.value}},
        },
        "IfNoneMatch": {
            "name": "If-None-Match",
            "in": "header",
            "description": "Entity tags of the versions that the client has, by commas, or `*`.",
            "schema": {"type": "string"},
            "example": '"fcfd8c98da1d02a01e92e0c8ef4b5bb2"',
        },
    }


def _form_parameters() -> list[Object]:
    return [
        {
            "name": "Origin",
            "in": "header",
            "description": (
                "The origin of the page that holds the form. Without `Sec-Fetch-Site` it must be "
                "that of `Host`."
            ),
            "schema": {"type": "string"},
            "example": "http://localhost:8000",
        },
        {
            "name": "Sec-Fetch-Site",
            "in": "header",
            "description": "Decides, where it is sent: only `same-origin` is taken.",
            "schema": {"type": "string"},
            "example": "same-origin",
        },
    ]


def _security(scheme: str, *scopes: Scope) -> list[Object]:
    """Describe who is let in: everybody where no token is needed, else who has these scopes."""
    return [{}, {scheme: [scope.value for scope in scopes]}]


def _query(name: str, description: str, schema: Object, example: str) -> Object:
    return {
        "name": name,
        "in": "query",
        "description": description,
        "schema": schema,
        "example": example,
    }


def _reference(kind: str, name: str) -> Object:
    return {"$ref": f"#/components/{kind}/{name}"}


def _response(
    description: str,
    content: Object | None = None,
    *,
    headers: Iterable[str] = (),
    optional_headers: Iterable[str] = (),
    links: Object | None = None,
) -> Object:
    # A header that is always there is `required`; a reference cannot say so, a copy can.
    described = {
        **{name: {**_headers()[name], "required": True} for name in (*headers, REQUEST_ID)},
        **{name: _reference("headers", name) for name in optional_headers},
    }
    parts = {"content": content, "headers": described, "links": links}
    return {"description": description, **{name: part for name, part in parts.items() if part}}


def _lines(schema: Object) -> Object:
    return {"schema": schema, "examples": {"lines": {"value": [_example_order()]}}}


def _not_modified() -> Object:
    return _response("The client has this version already.", headers=("ETag", "Cache-Control"))


def _page_response(description: str, *headers: str) -> Object:
    return _response(description, {_HTML: _PAGE}, headers=("Cache-Control", *headers))


def _page_or_problem(description: str) -> Object:
    """Describe an answer that the page tells, or what stands in front of it."""
    content = _problems(ProblemType.MALFORMED_REQUEST)["400"]["content"]
    return _response(description, content, headers=("Cache-Control",))


def _problems(*problem_types: ProblemType) -> Object:
    """Describe error answers, by status: one example for each type, and a page for people."""
    responses: Object = {}
    for status in sorted({each.status for each in problem_types}):
        those = [each for each in problem_types if each.status is status]
        examples = {
            each.uri.rpartition(":")[2]: {
                "summary": each.title,
                "value": json.loads(Problem(each, _DETAILS[each]).body()),
            }
            for each in those
        }
        responses[str(status.value)] = _response(
            "; or: ".join(each.title for each in those) + ".",
            {
                PROBLEM_TYPE: {"schema": _reference("schemas", "Problem"), "examples": examples},
                _HTML: _PAGE,
            },
            headers=("Cache-Control", *_HEADERS_OF_STATUS.get(status, ())),
        )
    return responses


def _order_link() -> Object:
    return {
        "GetOrder": {
            "operationId": "getOrder",
            "description": "The order that was stored.",
            "parameters": {"id": "$response.body#/id"},
        },
    }


def _example_order() -> Object:
    return {"id": _EXAMPLE.id.value, "amount": float(_EXAMPLE.amount.value)}
