"""Regular expressions for records in which nothing is escaped or quoted: nearly all records."""

import re
from typing import Final

from orders_core import FIELDS, Field
from orders_records.media_types import MediaType

# Characters that have a meaning in each form, for a character class.
_SPECIAL_IN_JSON: Final = r"\"\\"
_SPECIAL_IN_CSV: Final = r"\","
_SPACE: Final = r"[ \t\r\n]*"
_STRING: Final = r'"([^"\\\x00-\x1f]*)"'
_NUMBER: Final = r"(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?)"


def _member(field: Field) -> str:
    value = f"({field.pattern(_SPECIAL_IN_JSON)})"
    return f'"{field.name}": ?' + (value if field.is_number else f'"{value}"')


def _member_of_any_value(field: Field) -> str:
    return f'"{field.name}"{_SPACE}:{_SPACE}{_NUMBER if field.is_number else _STRING}'


_MEMBERS: Final = ", ?".join(map(_member, FIELDS))
_COLUMNS: Final = ",".join(f"({field.pattern(_SPECIAL_IN_CSV)})" for field in FIELDS)

PLAIN: Final = {
    MediaType.NDJSON: re.compile(rf"^\{{{_MEMBERS}\}}\r?\n", re.MULTILINE),
    MediaType.CSV: re.compile(rf"^{_COLUMNS}\r?\n", re.MULTILINE),
}
"""Lines that hold an acceptable order, with a group for each field."""

PLAIN_OBJECT: Final = re.compile(
    _SPACE.join(
        ("", r"\{", f"{_SPACE},{_SPACE}".join(map(_member_of_any_value, FIELDS)), r"\}", ""),
    ),
)
"""A JSON object whose fields may have any value, with a group for each field."""
