"""JSON without its ambiguities: what two readers could understand differently is refused.

RFC 8259 lets a reader choose what to do with duplicate names, deep nesting, a byte order mark
and numbers beyond doubles, and Python's own reader accepts NaN besides. Here each is an error,
except numbers: they are kept as they were written.
"""

import json
import re
from typing import Final, NoReturn

from attrs import frozen

MAX_DEPTH: Final = 4
"""Arrays and objects within each other, the outermost counted."""

# Characters of a name that an error repeats.
_SHOWN: Final = 64
# A string that is never closed counts to the end: else each of its quotes would be tried anew.
_TOKENS: Final = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', re.DOTALL)


class InvalidJson(ValueError):
    """A text is not the strict JSON that is read here; the message says why and where."""


@frozen
class Number:
    """A JSON number, not converted to anything.

    Attributes:
        text: The number as it was written.
    """

    text: str


JsonValue = None | bool | str | Number | list["JsonValue"] | dict[str, "JsonValue"]


def parse(content: bytes) -> JsonValue:
    """Read one JSON value.

    Args:
        content: The whole text, in UTF-8 without a byte order mark.

    Returns:
        The value; its numbers are `Number`s, which hold their text.

    Raises:
        InvalidJson: The content is not UTF-8, not JSON, has a byte order mark, a name twice
            in one object, NaN or Infinity, or is nested deeper than `MAX_DEPTH`.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        message = f"not UTF-8: byte {error.start} is 0x{content[error.start]:02x}"
        raise InvalidJson(message) from None
    if text.startswith("\ufeff"):
        message = "begins with a byte order mark"
        raise InvalidJson(message)
    _refuse_depth(text)
    try:
        value: JsonValue = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        # Python's own words for the mistake differ from release to release.
        message = f"malformed at line {error.lineno}, column {error.colno}"
        raise InvalidJson(message) from None
    return value


def _refuse_depth(text: str) -> None:
    """Count brackets before decoding, which recurses once for each level."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    for token in _TOKENS.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                message = f"nested deeper than {MAX_DEPTH} levels"
                raise InvalidJson(message)
        elif token[0] in "]}":
            depth -= 1


def _unique(members: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    unique: dict[str, JsonValue] = {}
    for name, value in members:
        if name in unique:
            message = f"the name {json.dumps(name[:_SHOWN])} is there twice in one object"
            raise InvalidJson(message)
        unique[name] = value
    return unique


def _refuse_constant(name: str) -> NoReturn:
    message = f"{name} is not a JSON number"
    raise InvalidJson(message)


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_float=Number,
    parse_int=Number,
    parse_constant=_refuse_constant,
)
