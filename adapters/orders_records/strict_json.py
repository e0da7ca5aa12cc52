"""Strict JSON: text that two readers could understand differently is refused.

RFC 8259 lets a reader choose what to do with duplicate names, deep nesting, a byte order mark
and numbers beyond doubles, and Python's own reader also accepts NaN. Here each is an error,
except numbers, which keep their text.
"""

import json
import re
from typing import Final, NoReturn

from attrs import frozen

MAX_DEPTH: Final = 4
"""Arrays and objects within each other, the outermost counted."""

# Characters of a name that an error quotes.
_SHOWN: Final = 64
# An unclosed string extends to the end; otherwise each of its quotes would be tried again.
_TOKENS: Final = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', re.DOTALL)


class InvalidJson(ValueError):
    """A text is not strict JSON; the message says why and where."""


@frozen
class Number:
    """A JSON number, not converted.

    Attributes:
        text: The number as written.
    """

    text: str


JsonValue = None | bool | str | Number | list["JsonValue"] | dict[str, "JsonValue"]


def parse(content: bytes) -> JsonValue:
    """Read one JSON value.

    Args:
        content: The whole text, in UTF-8 without a byte order mark.

    Returns:
        The value, with a `Number` for each number.

    Raises:
        InvalidJson: The content is not UTF-8, is not JSON, has a byte order mark, a duplicate name
            in an object, NaN or Infinity, or is nested deeper than `MAX_DEPTH`.
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
        # Python's own messages differ from release to release.
        message = f"malformed at line {error.lineno}, column {error.colno}"
        raise InvalidJson(message) from None
    return value


def _refuse_depth(text: str) -> None:
    """Count brackets before decoding, which recurses at each level."""
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
            message = f"an object has the name {json.dumps(name[:_SHOWN])} twice"
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
