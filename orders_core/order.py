"""An order: an id that its client chose, and an amount."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from attrs import field, frozen

from orders_core.amount import Amount
from orders_core.characters import (
    CONTROLS,
    SPACES,
    SURROGATES,
    class_of,
    is_invisible,
    name_of,
)
from orders_core.errors import InvalidOrder, Violation

MAX_ID_LENGTH: Final = 128
"""Code points that an id may have."""

_UNUSABLE: Final = re.compile(f"(?P<control>[{class_of(CONTROLS)}])|[{class_of(SURROGATES)}]")
_SPACE: Final = re.compile(f"[{class_of(SPACES)}]")


def _reason_against(text: str) -> str | None:
    """Tell why no order can have this id; None when one can."""
    if not text:
        return "is empty"
    if len(text) > MAX_ID_LENGTH:
        return f"is longer than {MAX_ID_LENGTH} characters"
    if text in {".", ".."}:
        return "must not be '.' or '..', which paths cannot carry"
    unusable = _UNUSABLE.search(text)
    if unusable is not None:
        kind = "control character" if unusable["control"] else "lone surrogate"
        return f"holds the {kind} U+{ord(unusable[0]):04X}"
    if _SPACE.match(text) or _SPACE.match(text, len(text) - 1):
        return "begins or ends with white space"
    return None


def _reason_against_new(text: str) -> str | None:
    """Tell why no new order can have this id; None when one can."""
    reason = _reason_against(text)
    if reason is None:
        for verb, edge in (("begins", text[0]), ("ends", text[-1])):
            if is_invisible(edge):
                return f"{verb} with {name_of(edge)}, an invisible or format character"
    return reason


def _checked_id(text: str) -> str:
    return _checked(text, _reason_against_new)


def _checked(text: str, reason_against: Callable[[str], str | None]) -> str:
    if not isinstance(text, str):
        raise InvalidOrder(Violation("id", f"must be a string, not {type(text).__name__}"))
    # A subclass of str could carry state, and its str() may be another text: for a member of
    # a (str, Enum) class it is the member's name.
    plain = str.__str__(text)
    message = reason_against(plain)
    if message is not None:
        raise InvalidOrder(Violation("id", message))
    return plain


@frozen(order=True)
class OrderId:
    """The id of an order: 1 to 128 Unicode code points, kept exactly as they are.

    Ids are not normalised and not trimmed: two spellings of one word are two ids. They are
    ordered by code point, which is the order of their UTF-8 bytes and of every page.

    Attributes:
        value: The id as text.

    Raises:
        InvalidOrder: The text is empty, too long, `.` or `..`, begins or ends with white space
            or an invisible character, or holds a control character or a lone surrogate.
    """

    value: str = field(converter=_checked_id)

    @classmethod
    def of_stored(cls, text: str) -> "OrderId":
        """Name an order that may be stored already.

        Earlier releases took ids that begin or end with an invisible character. Such orders are
        read and found as before; no new ones are made.

        Raises:
            InvalidOrder: No release took this id.
        """
        order_id = cls.__new__(cls)
        # The class is frozen, and its converter accepts new ids alone.
        object.__setattr__(order_id, "value", _checked(text, _reason_against))
        return order_id

    def __str__(self) -> str:
        """Give the id as it is."""
        return self.value


def _as_id(value: OrderId | str) -> OrderId:
    return value if isinstance(value, OrderId) else OrderId(value)


def _as_amount(value: Amount | Decimal | int | str) -> Amount:
    return value if isinstance(value, Amount) else Amount(value)


@frozen
class Order:
    """An order. It never changes: the same id with another amount is a conflict.

    `Order("A-1", "12.30")` is `Order(OrderId("A-1"), Amount("12.30"))`.

    Attributes:
        id: What names the order, for ever; also the key that makes placing it idempotent.
        amount: How much it is for.

    Raises:
        InvalidOrder: The id or the amount is not acceptable. `Order.parse` names both at once.
    """

    id: OrderId = field(converter=_as_id)
    amount: Amount = field(converter=_as_amount)

    @classmethod
    def parse(cls, id: object, amount: object) -> "Order":  # noqa: A002 - the field's own name
        """Make an order of untrusted values and name everything that is wrong with them.

        Args:
            id: Text, else it is refused.
            amount: Text, a Decimal or an int, else it is refused.

        Raises:
            InvalidOrder: With a violation for each part that is wrong.
        """
        try:
            return cls(OrderId(id), Amount(amount))  # type: ignore[arg-type]  # refused when not
        except InvalidOrder:
            violations = [*_violations(OrderId, id), *_violations(Amount, amount)]
        raise InvalidOrder(*violations)


def _violations(check: Callable[[Any], object], value: object) -> tuple[Violation, ...]:
    try:
        check(value)
    except InvalidOrder as error:
        return error.violations
    return ()
