"""What a request is called, in its answer and in the logs."""

import re
from collections.abc import Mapping
from itertools import count
from secrets import token_hex
from typing import Any, Final

REQUEST_ID: Final = "X-Request-Id"
"""The header that gives a request its id, and the answer the same."""

_PREFIX_BYTES: Final = 6
_GIVEN: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
# Of a version that is yet to come, more may follow, which is dropped.
_TRACEPARENT: Final = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)


class RequestIds:
    """Gives each request of a process an id. Safe to share by threads."""

    def __init__(self) -> None:
        """Begin to count."""
        self._prefix = ""
        self._numbers = count(1)

    def of(self, environ: Mapping[str, Any]) -> str:
        """Take the id that the client gave, when it is a good one, or make one.

        Args:
            environ: The request's WSGI environment.
        """
        given = environ.get("HTTP_X_REQUEST_ID")
        if given is not None and _GIVEN.fullmatch(given):
            return str(given)
        # Drawn here, and not before the process was forked, lest its sisters have the same.
        self._prefix = self._prefix or token_hex(_PREFIX_BYTES)
        return f"{self._prefix}-{next(self._numbers)}"


def traceparent(environ: Mapping[str, Any]) -> str | None:
    """Give the `traceparent` header (W3C Trace Context, section 3.2), None when it is not valid.

    Args:
        environ: The request's WSGI environment.
    """
    given = str(environ.get("HTTP_TRACEPARENT", ""))
    parsed = _TRACEPARENT.match(given)
    if parsed is None:
        return None
    rest = given[parsed.end() :]
    if rest and (parsed["version"] == "00" or not rest.startswith("-")):
        return None
    return parsed[0]
