"""Regular expressions for records in which nothing is escaped or quoted: nearly all records."""

import re
from collections.abc import Callable, Sequence
from typing import Final

from orders_core import FIELDS, Field

# Characters that have a meaning in each form, for a character class.
_SPECIAL_IN_JSON: Final = r"\"\\"
_SPECIAL_IN_CSV: Final = r"\","
_SPACE: Final = r"[ \t\r\n]*"
_STRING: Final = r'"([^"\\\x00-\x1f]*)"'
_NUMBER: Final = r"(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?)"


def plain_ndjson(fields: Sequence[Field]) -> re.Pattern[str]:
    """Match lines of JSON that hold an acceptable order, with a group for each field."""
    return re.compile(rf"^\{{{_members(fields, _acceptable_member, ', ?')}\}}\r?\n", re.MULTILINE)


def plain_csv(fields: Sequence[Field], columns: int) -> re.Pattern[str]:
    """Match lines of CSV that hold an acceptable order, with a group for each field.

    Args:
        fields: The fields of an order.
        columns: How many of them are there; the groups of the others are empty.
    """
    texts = (field.pattern(_SPECIAL_IN_CSV) for field in fields)
    groups = [
        f"({text})" if field.is_required else f"({text}|)"
        for field, text in zip(fields, texts, strict=True)
    ]
    missing = "()" * (len(fields) - columns)
    return re.compile(rf"^{','.join(groups[:columns])}{missing}\r?\n", re.MULTILINE)


def _members(fields: Sequence[Field], member: Callable[[Field], str], comma: str) -> str:
    first, *others = fields
    return member(first) + "".join(
        f"{comma}{member(field)}" if field.is_required else f"(?:{comma}{member(field)})?"
        for field in others
    )


def _acceptable_member(field: Field) -> str:
    value = f"({field.pattern(_SPECIAL_IN_JSON)})"
    return f'"{field.name}": ?' + (value if field.is_number else f'"{value}"')


def _any_member(field: Field) -> str:
    return f'"{field.name}"{_SPACE}:{_SPACE}{_NUMBER if field.is_number else _STRING}'


PLAIN_NDJSON: Final = plain_ndjson(FIELDS)

PLAIN_OBJECT: Final = re.compile(
    _SPACE.join(("", r"\{", _members(FIELDS, _any_member, f"{_SPACE},{_SPACE}"), r"\}", "")),
)
"""A JSON object whose members may have any value, with a group for each field."""
