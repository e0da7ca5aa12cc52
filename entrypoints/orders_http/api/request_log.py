"""The request log: one line a request, and on a busy service only some of them."""

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
    """How many lines may still be written in this second.

    Attributes:
        left: Lines that may still be written.
        until: When that changes, by the monotonic clock.
        omitted: Lines that were not written since the last one that was.
    """

    left: int = 0
    until: float = 0.0
    omitted: int = 0


class RequestLog:
    """Tells of requests as they are answered, to the log.

    A line holds nothing that could be secret: no body, no query, no path but the route's
    template, no header but those that name the request.

    Only one thread at a time should tell it something; of several, a line may be miscounted.
    """

    def __init__(self, lines_per_second: int, clock: Callable[[], float] = monotonic) -> None:
        """Begin with every line allowed.

        Args:
            lines_per_second: Lines a second at most for failures of ours (5xx), and as many
                for all other answers. 0 writes none.
            clock: Gives the time in seconds, from any beginning.
        """
        self._lines_per_second = lines_per_second
        self._clock = clock
        self._failures = _Allowance()
        self._others = _Allowance()

    def admits(self, status: int) -> bool:
        """Tell whether a request that is answered now is to be told of; count it when not.

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

    def tell(self, environ: Mapping[str, Any], members: Mapping[str, Any]) -> None:
        """Write the line of a request that is admitted.

        Args:
            environ: Its WSGI environment, for what its client says of itself.
            members: What else the line has; `status` is among it.
        """
        allowance = self._allowance(members["status"])
        omitted, allowance.omitted = allowance.omitted, 0
        client = {"client": environ.get("REMOTE_ADDR"), "traceparent": traceparent(environ)}
        known = {name: value for name, value in client.items() if value is not None}
        _LOG.info("request", extra={**members, **known, "omitted": omitted})

    def _allowance(self, status: int) -> _Allowance:
        failed = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        return self._failures if failed else self._others
