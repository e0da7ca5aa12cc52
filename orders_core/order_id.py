"""The id of an order: which texts are accepted, and in which order they sort."""

import re
from collections.abc import Callable
from typing import Final

from attrs import field, frozen

from orders_core.characters import (
    CONTROLS,
    EDGE_CLASS,
    SPACES,
    SURROGATES,
    UNUSABLE_CLASS,
    class_of,
    is_invisible,
    name_of,
)
from orders_core.errors import InvalidOrder, Violation

MAX_ID_LENGTH: Final = 128
"""Most code points that an id may have."""

_UNUSABLE: Final = re.compile(f"(?P<control>[{class_of(CONTROLS)}])|[{class_of(SURROGATES)}]")
_SPACE: Final = re.compile(f"[{class_of(SPACES)}]")


def id_pattern(excluded: str) -> str:
    """Write a regular expression for the ids of new orders.

    Args:
        excluded: Characters that the ids must not contain, as in a character class. One of them
            has to follow the id.
    """
    character = f"[^{excluded}{UNUSABLE_CLASS}]"
    edge = f"[{EDGE_CLASS}]"
    # `.` and `..` are refused unless another character follows.
    return rf"(?!{edge}|\.{{1,2}}(?!{character})){character}{{1,{MAX_ID_LENGTH}}}(?<!{edge})"


def _reason_against(text: str) -> str | None:
    """Say why no order can have this id; None when one can."""
    if not text:
        return "is empty"
    if len(text) > MAX_ID_LENGTH:
        return f"is longer than {MAX_ID_LENGTH} characters"
    if text in {".", ".."}:
        return "must not be '.' or '..', which paths cannot carry"
    unusable = _UNUSABLE.search(text)
    if unusable is not None:
        kind = "control character" if unusable["control"] else "lone surrogate"
        return f"contains the {kind} U+{ord(unusable[0]):04X}"
    if _SPACE.match(text) or _SPACE.match(text, len(text) - 1):
        return "begins or ends with white space"
    return None


def _reason_against_new(text: str) -> str | None:
    """Say why no new order can have this id; None when one can."""
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
    # A subclass of str may have state, and its str() may differ: for a member of a (str, Enum)
    # class it is the member's name.
    plain = str.__str__(text)
    message = reason_against(plain)
    if message is not None:
        raise InvalidOrder(Violation("id", message))
    return plain


@frozen(order=True)
class OrderId:
    """The id of an order: 1 to 128 Unicode code points, kept exactly as they are.

    Ids are neither normalised nor trimmed: two spellings of one word are two ids. They sort by
    code point, which is the order of their UTF-8 bytes and of every page.

    Attributes:
        value: The id as text.

    Raises:
        InvalidOrder: The text is empty, too long, `.` or `..`, begins or ends with white space
            or an invisible character, or contains a control character or a lone surrogate.
    """

    value: str = field(converter=_checked_id)

    @classmethod
    def of_stored(cls, text: str) -> "OrderId":
        """Make the id of an order that may be stored already.

        Earlier releases accepted ids that begin or end with an invisible character. Such orders
        can still be read and found, but no new ones can be placed.

        Raises:
            InvalidOrder: No release accepted this id.
        """
        order_id = cls.__new__(cls)
        # The class is frozen, and its converter accepts only new ids.
        object.__setattr__(order_id, "value", _checked(text, _reason_against))
        return order_id

    def __str__(self) -> str:
        """Return the id as it is."""
        return self.value
