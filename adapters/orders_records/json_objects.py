"""An order as one JSON object, read strictly."""

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from attrs import evolve, frozen

from orders_core import FIELDS, Field, InvalidOrder, Order, Violation
from orders_records.patterns import PLAIN_OBJECT
from orders_records.records import MalformedRecord
from orders_records.strict_json import InvalidJson, JsonValue, Number, parse

_FIELDS: Final = {field.name: field for field in FIELDS}
_UNKNOWN: Final = f"is unknown: an order has {' and '.join(_FIELDS)}"
_MAX_UNKNOWN: Final = 10
_MAX_NAME_LENGTH: Final = 64


class NotJson(MalformedRecord):
    """A text is not strict JSON."""


@frozen
class UnknownMember(Violation):
    """A member that an order does not have. Its name may be any text, so it is quoted."""

    def __str__(self) -> str:
        """Write a sentence: the quoted name, then what is wrong with it."""
        return f"{json.dumps(self.field)} {self.message}"


def order_from_json(content: bytes) -> Order:
    """Read `{"id": ..., "amount": ...}`.

    Raises:
        NotJson: It is not strict JSON.
        MalformedRecord: It is not an object, or a member is missing.
        InvalidOrder: A member is unknown or not acceptable. Of many unknown members the first ten
            are named, and the others counted.
    """
    with suppress(UnicodeDecodeError):  # Reported below.
        plain = PLAIN_OBJECT.fullmatch(content.decode())
        if plain is not None:
            return Order.parse(*plain.groups())
    try:
        value = parse(content)
    except InvalidJson as error:
        message = f"not acceptable JSON: {error}"
        raise NotJson(message) from None
    if not isinstance(value, dict):
        message = 'not a JSON object such as {"id": "A-1", "amount": 12.30}'
        raise MalformedRecord(message)
    missing = [each.name for each in FIELDS if each.is_required and each.name not in value]
    if missing:
        message = f"the object lacks {' and '.join(missing)}"
        raise MalformedRecord(message)
    unknown = _unknown_members([name for name in value if name not in _FIELDS])
    try:
        order = Order.parse(*[_plain_value(field, value.get(field.name)) for field in FIELDS])
    except InvalidOrder as error:
        known = (_in_words_of_json(each, value[each.field]) for each in error.violations)
        raise InvalidOrder(*unknown, *known) from None
    if unknown:
        raise InvalidOrder(*unknown)
    return order


def _plain_value(field: Field, value: JsonValue) -> object:
    return value.text if field.is_number and isinstance(value, Number) else value


def _unknown_members(names: Sequence[str]) -> list[UnknownMember]:
    """Refuse members, in an answer that stays small whatever the body contains."""
    unknown = [UnknownMember(_shortened(name), _UNKNOWN) for name in names[:_MAX_UNKNOWN]]
    more = len(names) - len(unknown)
    if more:
        unknown[-1] = evolve(unknown[-1], message=f"and {more} more members: each {_UNKNOWN}")
    return unknown


def _shortened(name: str) -> str:
    return name if len(name) <= _MAX_NAME_LENGTH else f"{name[:_MAX_NAME_LENGTH]}..."


def _in_words_of_json(violation: Violation, value: JsonValue) -> Violation:
    """Describe a value of the wrong type in terms of JSON; the core does so in terms of Python."""
    if _FIELDS[violation.field].is_number:
        if not isinstance(value, str | Number):
            wanted = 'a number or a string such as "12.30"'
            return evolve(violation, message=f"must be {wanted}, not {_kind(value)}")
    elif not isinstance(value, str):
        return evolve(violation, message=f"must be a string, not {_kind(value)}")
    return violation


def _kind(value: JsonValue) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, Number):
        return "a number"
    return "an array" if isinstance(value, list) else "an object"
