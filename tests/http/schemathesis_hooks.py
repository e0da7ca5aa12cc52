"""What Schemathesis must know beyond the description: two media types, and rules in prose.

`schemathesis.toml` names this file.
"""

import csv
import io
import json
from typing import Any, Final

import schemathesis
from hypothesis import strategies as st
from schemathesis.core.failures import Failure

from orders_http.api.cursors import cursor_of_id
from orders_records import CSV_HEADER
from tests.strategies import order_ids

# OpenAPI cannot express parameters that exclude each other; their descriptions do.
EXCLUSIVE: Final = {
    "/orders": ({"id"}, {"after", "limit"}),
    "/": ({"id"}, {"after"}, {"before"}, {"stored"}),
}

schemathesis.openapi.format(
    "orders-cursor",
    order_ids().map(cursor_of_id),
)
schemathesis.openapi.format("uri-reference", st.just("/"))


@schemathesis.serializer("application/x-ndjson")
def write_ndjson(_context: schemathesis.SerializationContext, value: object) -> bytes:
    """Write each item of an array as a line; anything else as one line."""
    lines = value if isinstance(value, list) else [value]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


@schemathesis.serializer("text/csv")
def write_csv(_context: schemathesis.SerializationContext, value: object) -> bytes:
    """Write the items of an array as rows.

    A cell has no type, so a value of the wrong type would become text: such a row gets an extra
    cell instead.
    """
    text = io.StringIO()
    text.write(f"{CSV_HEADER}\r\n")
    csv.writer(text).writerows(map(_row, value if isinstance(value, list) else [value]))
    return text.getvalue().encode(errors="surrogatepass")


def _row(value: object) -> list[object]:
    match value:
        case {"id": str() as order_id, "amount": str() | int() | float() as amount, **rest} if (
            not rest and not isinstance(amount, bool)
        ):
            return [order_id, amount]
    return [json.dumps(value), "", ""]


@schemathesis.hook
def filter_failure(
    _context: schemathesis.HookContext,
    _failure: Failure,
    case: schemathesis.Case[Any],
    response: schemathesis.Response,
) -> bool:
    """Keep a failure, unless it is due to a rule that the description has in prose.

    Parameters that exclude each other are refused with 400, and numbers with more than two
    decimal places with 422: `multipleOf` would say that, but readers that use doubles then
    refuse amounts such as 0.07.
    """
    given = set(case.query or {})
    groups = EXCLUSIVE.get(case.operation.path, ())
    excluded = sum(not given.isdisjoint(group) for group in groups) > 1
    refused_in_words = (excluded and response.status_code == 400) or (
        _has_more_decimals(case.body) and response.status_code == 422
    )
    return not refused_in_words


def _has_more_decimals(body: object) -> bool:
    """Tell whether an amount in a body is a number with more than two decimal places."""
    orders = body if isinstance(body, list) else [body]
    amounts = [order.get("amount") for order in orders if isinstance(order, dict)]
    return any(isinstance(amount, float) and round(amount, 2) != amount for amount in amounts)


@schemathesis.deserializer("application/x-ndjson")
def read_ndjson(
    _context: schemathesis.DeserializationContext, response: schemathesis.Response
) -> list[object]:
    """Read lines as the items of an array."""
    return [json.loads(line) for line in response.content.splitlines()]


@schemathesis.deserializer("text/csv")
def read_csv(
    _context: schemathesis.DeserializationContext, response: schemathesis.Response
) -> list[object]:
    """Read rows as the items of an array."""
    rows = csv.DictReader(io.StringIO(response.content.decode(), newline=""))
    return [{"id": row["id"], "amount": float(row["amount"])} for row in rows]
