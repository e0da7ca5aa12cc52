"""The request log: one line per request, limited to some lines per second."""

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from time import monotonic
from typing import Any, Final

from attrs import define

from orders_http.api.request_ids import traceparent

_LOG: Final = logging.getLogger(__name__)

_WINDOW_SECONDS: Final = 1.0


@define
class _Allowance:
    """The lines left in the current second.

    Attributes:
        left: Lines that may still be written.
        until: When the second ends, by the monotonic clock.
        omitted: Lines omitted since the last one written.
    """

    left: int = 0
    until: float = 0.0
    omitted: int = 0


class RequestLog:
    """Logs requests as they are answered.

    A line holds nothing that could be secret: no body, no query, no path but the route's template,
    and no header but the request id and the traceparent.

    Meant for one thread; with several, omitted lines may be miscounted.
    """

    def __init__(self, lines_per_second: int, clock: Callable[[], float] = monotonic) -> None:
        """Begin with the full allowance.

        Args:
            lines_per_second: Maximum lines per second for server errors (5xx), and as many for all
                other answers. 0 writes none.
            clock: Returns the time in seconds, from any start.
        """
        self._lines_per_second = lines_per_second
        self._clock = clock
        self._failures = _Allowance()
        self._others = _Allowance()

    def admits(self, status: int) -> bool:
        """Tell whether to log the request that is answered now; count it as omitted if not.

        Args:
            status: The status code of the answer.
        """
        allowance = self._allowance(status)
        if not allowance.left:
            now = self._clock()
            if now < allowance.until or not self._lines_per_second:
                allowance.omitted += 1
                return False
            allowance.until = now + _WINDOW_SECONDS
            allowance.left = self._lines_per_second
        allowance.left -= 1
        return True

    def write(self, environ: Mapping[str, Any], members: Mapping[str, Any]) -> None:
        """Write the line of an admitted request.

        Args:
            environ: Its WSGI environment, for its client and traceparent.
            members: The other members of the line; `status` is required.
        """
        allowance = self._allowance(members["status"])
        omitted, allowance.omitted = allowance.omitted, 0
        client = {"client": environ.get("REMOTE_ADDR"), "traceparent": traceparent(environ)}
        known = {name: value for name, value in client.items() if value is not None}
        _LOG.info("request", extra={**members, **known, "omitted": omitted})

    def _allowance(self, status: int) -> _Allowance:
        failed = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        return self._failures if failed else self._others
