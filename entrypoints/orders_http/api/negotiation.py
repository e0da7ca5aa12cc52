"""Content negotiation by the Accept header (RFC 9110, section 12.5.1)."""

import re
from collections.abc import Sequence
from typing import Final

from attrs import frozen

from orders_http.api.problems import CONTENT_TYPE as PROBLEM_TYPE
from orders_http.api.problems import Problem, ProblemType
from orders_records import MediaType

_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - a token of RFC 9110, not a secret
_RANGE: Final = re.compile(rf"({_TOKEN})/({_TOKEN})")
_HTML: Final = "text/html"
_JSON: Final = ("application/json", PROBLEM_TYPE)
_QUALITY: Final = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?|\.[0-9]{1,3})")


@frozen
class _Range:
    """One element of an Accept header."""

    kind: str
    subtype: str
    quality: float

    def specificity(self, media_type: str) -> int | None:
        """Tell how closely this range matches a media type: 2, 1, 0, or None if it does not."""
        kind, _, subtype = media_type.partition("/")
        if (self.kind, self.subtype) == (kind, subtype):
            return 2
        if (self.kind, self.subtype) == (kind, "*"):
            return 1
        if (self.kind, self.subtype) == ("*", "*"):
            return 0
        return None


def choose(accept: str | None, offered: Sequence[MediaType]) -> MediaType:
    """Choose the offered media type that the client prefers; among equals, the first.

    Args:
        accept: The Accept header; None accepts anything.
        offered: The available media types, best first.

    Raises:
        Problem: 406 if the client accepts none of them, 400 if the header is malformed.
    """
    if accept is None or not accept.strip():
        return offered[0]
    ranges = [_parsed(element) for element in accept.split(",") if element.strip()]
    best = max(offered, key=lambda media_type: _quality(ranges, media_type.value))
    if _quality(ranges, best.value) == 0:
        names = ", ".join(media_type.value for media_type in offered)
        raise Problem(ProblemType.NOT_ACCEPTABLE, f"Accept {accept!r} allows none of {names}")
    return best


def wants_page(accept: str | None) -> bool:
    """Tell whether a client is a browser: it names HTML, and prefers no kind of JSON to it.

    A client that names both with equal quality is a program.

    Args:
        accept: The Accept header, or None.
    """
    if accept is None or _HTML not in accept.lower():
        return False
    try:
        ranges = [_parsed(element) for element in accept.split(",") if element.strip()]
    except Problem:
        return False
    named = {f"{each.kind}/{each.subtype}": each.quality for each in ranges}
    html = named.get(_HTML, 0)
    return html >= max(_quality(ranges, each) for each in _JSON) and html > max(
        named.get(each, 0) for each in _JSON
    )


def _quality(ranges: Sequence[_Range], media_type: str) -> float:
    """Return the quality of the most specific range that matches the media type."""
    named = [
        (specificity, each.quality)
        for each in ranges
        if (specificity := each.specificity(media_type)) is not None
    ]
    return max(named, default=(0, 0.0))[1]


def _parsed(element: str) -> _Range:
    media_range, *parameters = (part.strip() for part in element.split(";"))
    # Java's own client sends `*; q=.2`, which the RFC does not allow.
    named = _RANGE.fullmatch("*/*" if media_range == "*" else media_range)
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            if not _QUALITY.fullmatch(value.strip()):
                named = None
            else:
                quality = float(value)
    if named is None:
        raise Problem(
            ProblemType.MALFORMED_REQUEST,
            f"Accept has {element.strip()!r}, which is not a media range such as text/csv;q=0.5",
        )
    return _Range(named[1].lower(), named[2].lower(), quality)
