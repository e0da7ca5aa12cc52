"""An order as one JSON object, read strictly."""

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from attrs import evolve, frozen

from orders_core import InvalidOrder, Order, Violation
from orders_records.records import MalformedRecord
from orders_records.strict_json import InvalidJson, JsonValue, Number, parse

_MEMBERS: Final = ("id", "amount")
_UNKNOWN: Final = "is unknown: an order has id and amount"
_MAX_UNKNOWN: Final = 10
_MAX_NAME_LENGTH: Final = 64
_SPACE: Final = rb"[ \t\r\n]*"
_PLAIN_OBJECT: Final = re.compile(
    _SPACE.join(
        (
            *(b"", rb"\{", b'"id"', b":", rb'"([^"\\\x00-\x1f]*)"'),
            *(b",", b'"amount"', b":", rb"(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?)", rb"\}", b""),
        ),
    ),
)
"""One order with nothing escaped, and its amount a plain number: nearly every body."""


class NotJson(MalformedRecord):
    """A text is not the strict JSON that is read here."""


@frozen
class UnknownMember(Violation):
    """A member that an order does not have. Its name may be any text: in words it is quoted."""

    def __str__(self) -> str:
        """Read as a sentence: the quoted name, then what is wrong with it."""
        return f"{json.dumps(self.field)} {self.message}"


def order_from_json(content: bytes) -> Order:
    """Read `{"id": ..., "amount": ...}`.

    Raises:
        NotJson: It is not strict JSON.
        MalformedRecord: It is not an object, or a member is missing.
        InvalidOrder: A member is unknown, or an id or amount is not acceptable. Of many unknown
            members the first ten are named, and the others counted.
    """
    plain = _PLAIN_OBJECT.fullmatch(content)
    if plain is not None:
        with suppress(UnicodeDecodeError):  # Which is told below.
            return Order.parse(plain[1].decode(), plain[2].decode("ascii"))
    try:
        value = parse(content)
    except InvalidJson as error:
        message = f"not acceptable JSON: {error}"
        raise NotJson(message) from None
    if not isinstance(value, dict):
        message = 'not a JSON object such as {"id": "A-1", "amount": 12.30}'
        raise MalformedRecord(message)
    missing = [name for name in _MEMBERS if name not in value]
    if missing:
        message = f"the object lacks {' and '.join(missing)}"
        raise MalformedRecord(message)
    unknown = _unknown_members([name for name in value if name not in _MEMBERS])
    amount = value["amount"]
    try:
        order = Order.parse(value["id"], amount.text if isinstance(amount, Number) else amount)
    except InvalidOrder as error:
        known = (_in_words_of_json(each, value[each.field]) for each in error.violations)
        raise InvalidOrder(*unknown, *known) from None
    if unknown:
        raise InvalidOrder(*unknown)
    return order


def _unknown_members(names: Sequence[str]) -> list[UnknownMember]:
    """Refuse members, so that the answer stays small whatever the body holds."""
    unknown = [UnknownMember(_shortened(name), _UNKNOWN) for name in names[:_MAX_UNKNOWN]]
    more = len(names) - len(unknown)
    if more:
        unknown[-1] = evolve(unknown[-1], message=f"and {more} more members: each {_UNKNOWN}")
    return unknown


def _shortened(name: str) -> str:
    return name if len(name) <= _MAX_NAME_LENGTH else f"{name[:_MAX_NAME_LENGTH]}..."


def _in_words_of_json(violation: Violation, value: JsonValue) -> Violation:
    """Tell of a value of the wrong type in words of JSON; the core's are Python's."""
    if violation.field == "id" and not isinstance(value, str):
        return Violation("id", f"must be a string, not {_kind(value)}")
    if violation.field == "amount" and not isinstance(value, str | Number):
        wanted = 'a number or a string such as "12.30"'
        return Violation("amount", f"must be {wanted}, not {_kind(value)}")
    return violation


def _kind(value: JsonValue) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, Number):
        return "a number"
    return "an array" if isinstance(value, list) else "an object"
