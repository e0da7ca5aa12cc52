"""Request ids, in responses and in the log."""

import re
from collections.abc import Mapping
from itertools import count
from secrets import token_hex
from typing import Any, Final

REQUEST_ID: Final = "X-Request-Id"
"""The header with the id, in requests and responses."""

_PREFIX_BYTES: Final = 6
_GIVEN: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
# A future version may add more, which is dropped.
_TRACEPARENT: Final = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)


class RequestIds:
    """Gives each request of a process an id. Safe to share between threads."""

    def __init__(self) -> None:
        """Start counting."""
        self._prefix = ""
        self._numbers = count(1)

    def of(self, environ: Mapping[str, Any]) -> str:
        """Use the id that the client sent, if it is valid, or make one.

        Args:
            environ: The request's WSGI environment.
        """
        given = environ.get("HTTP_X_REQUEST_ID")
        if given is not None and _GIVEN.fullmatch(given):
            return str(given)
        # Made here, after the process was forked, so that each worker has its own.
        self._prefix = self._prefix or token_hex(_PREFIX_BYTES)
        return f"{self._prefix}-{next(self._numbers)}"


def traceparent(environ: Mapping[str, Any]) -> str | None:
    """Return the `traceparent` header (W3C Trace Context, section 3.2); None if it is invalid.

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
