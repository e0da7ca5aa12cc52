"""An order: its fields, and how they are written. Other forms of an order derive from these.

To add a field, add it to each definition below; CONTRIBUTING.md has the whole walk. A test
compares `FIELDS` with each store, CSV, JSON and OpenAPI.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from json import JSONEncoder
from typing import Any, Final

from attrs import field, frozen

from orders_core.amount import AMOUNT_PATTERN, Amount
from orders_core.errors import InvalidOrder, Violation
from orders_core.order_id import OrderId, id_pattern

OrderRow = tuple[str, str]
"""The fields of an order as text, in the order of `FIELDS`. Each is acceptable to `Order`."""


@frozen
class Field:
    """A field of an order.

    Attributes:
        name: Its name in `Order`, as a member of JSON, and as a column of CSV and of each store.
        pattern: Returns a regular expression for its text, without any of the given characters.
        is_number: Whether JSON has it as a number, not as a string.
        is_required: Whether every order has it. Optional fields come last: JSON may omit the
            member, CSV may end before the column, and the text may be empty.
    """

    name: str
    pattern: Callable[[str], str]
    is_number: bool = False
    is_required: bool = True


FIELDS: Final = (
    Field("id", id_pattern),
    Field("amount", lambda _excluded: AMOUNT_PATTERN, is_number=True),
)
FIELD_NAMES: Final = tuple(each.name for each in FIELDS)


def _as_id(value: OrderId | str) -> OrderId:
    return value if isinstance(value, OrderId) else OrderId(value)


def _as_amount(value: Amount | Decimal | int | str) -> Amount:
    return value if isinstance(value, Amount) else Amount(value)


@frozen
class Order:
    """An order. It never changes: the same id with another amount is a conflict.

    `Order("A-1", "12.30")` is `Order(OrderId("A-1"), Amount("12.30"))`.

    Attributes:
        id: Names the order permanently, and makes placing it idempotent.
        amount: How much it is for.

    Raises:
        InvalidOrder: The id or the amount is not acceptable. `Order.parse` reports both at once.
    """

    id: OrderId = field(converter=_as_id)
    amount: Amount = field(converter=_as_amount)

    @classmethod
    def parse(cls, id: object, amount: object) -> "Order":  # noqa: A002 - the field's own name
        """Make an order from untrusted values, and report everything that is wrong with them.

        Args:
            id: Text; anything else is refused.
            amount: Text, a Decimal or an int; anything else is refused.

        Raises:
            InvalidOrder: With a violation for each value that is wrong.
        """
        try:
            return cls(OrderId(id), Amount(amount))  # type: ignore[arg-type]  # refused when not
        except InvalidOrder:
            violations = [*_violations(OrderId, id), *_violations(Amount, amount)]
        raise InvalidOrder(*violations)

    @property
    def row(self) -> OrderRow:
        """Its fields as text; the amount has two decimals."""
        return self.id.value, str(self.amount)


def _violations(check: Callable[[Any], object], value: object) -> tuple[Violation, ...]:
    try:
        check(value)
    except InvalidOrder as error:
        return error.violations
    return ()


_QUOTED: Final = JSONEncoder(ensure_ascii=False).encode


def order_to_json(order: Order) -> bytes:
    """Write an order as a JSON object whose amount is a number with two decimals."""
    return _object(order.id.value, str(order.amount)).encode()


def json_lines(rows: Iterable[OrderRow]) -> bytes:
    """Write orders as `order_to_json` does, one per line. Every store writes exactly these bytes.

    Args:
        rows: The orders; their amounts have two decimals, like `12.30`.
    """
    return "".join([f"{_object(order_id, amount)}\n" for order_id, amount in rows]).encode()


def _object(order_id: str, amount: str) -> str:
    return f'{{"id":{_QUOTED(order_id)},"amount":{amount}}}'
