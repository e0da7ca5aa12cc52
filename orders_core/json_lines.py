"""Orders as JSON objects, a line for each: what every store writes alike, byte for byte."""

from collections.abc import Iterable
from json import JSONEncoder
from typing import Final

from orders_core.order import Order

_QUOTED: Final = JSONEncoder(ensure_ascii=False).encode


def order_to_json(order: Order) -> bytes:
    """Write an order as a JSON object whose amount is a number with two decimals."""
    return _object(order.id.value, str(order.amount)).encode()


def json_lines(rows: Iterable[tuple[str, str]]) -> bytes:
    r"""Write orders as `order_to_json` does, each followed by a line feed.

    An object has no line feed inside, so each one ends an order.

    Args:
        rows: The id and the amount of each order; the amount with two decimals, like `12.30`.
    """
    return "".join([f"{_object(order_id, amount)}\n" for order_id, amount in rows]).encode()


def _object(order_id: str, amount: str) -> str:
    return f'{{"id":{_QUOTED(order_id)},"amount":{amount}}}'
