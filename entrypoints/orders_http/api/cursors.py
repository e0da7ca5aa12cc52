"""Cursors: opaque texts that mark a position in the list of orders."""

import base64
import binascii

from orders_core import OrderId
from orders_http.api.problems import Problem, ProblemType


def cursor_of_id(order_id: OrderId) -> str:
    """Make the cursor of the position at an id."""
    return base64.urlsafe_b64encode(order_id.value.encode()).decode().rstrip("=")


def id_of_cursor(cursor: str) -> OrderId:
    """Read a cursor that `cursor_of_id` made.

    Raises:
        Problem: 400 for any other text.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        decoded = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
        order_id = OrderId.of_stored(decoded)
    except (binascii.Error, ValueError):
        order_id = None
    if order_id is None or cursor_of_id(order_id) != cursor:
        raise Problem(
            ProblemType.INVALID_QUERY,
            "after is not a cursor of this list; take it from the Link header",
        )
    return order_id
