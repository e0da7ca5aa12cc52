"""Something that fails many times a second, logged in two lines."""

import logging
from typing import Final

from attrs import define

_LOG: Final = logging.getLogger(__name__)

QUIET_SECONDS: Final = 10.0
"""An incident is over when it has not occurred for this long."""


@define
class Incident:
    """Logs when a repeated failure begins, and when it is over.

    Attributes:
        beginning: What is logged when it begins.
        end: What is logged when it is over, with how often it occurred.
    """

    beginning: str
    end: str
    _times: int = 0
    _first: float = 0.0
    _last: float = 0.0

    def occurred(self, now: float, error: Exception | None = None) -> None:
        """Note that it occurred.

        Args:
            now: The time, by the monotonic clock.
            error: The cause, if there is an exception.
        """
        self._last = now
        self._times += 1
        if self._times == 1:
            self._first = now
            _LOG.warning(self.beginning, exc_info=error)

    def check(self, now: float) -> None:
        """Log the end if it is over; called now and then."""
        if self._times and now - self._last >= QUIET_SECONDS:
            seconds = round(self._last - self._first, 3)
            _LOG.warning(self.end, extra={"times": self._times, "seconds": seconds})
            self._times = 0
