"""Something that goes wrong many times a second, told to the log in two lines."""

import logging
from typing import Final

from attrs import define

_LOG: Final = logging.getLogger(__name__)

QUIET_SECONDS: Final = 10.0
"""How long it must not have happened before it is over."""


@define
class Episode:
    """Tells the log when something begins to happen, and when it is over.

    Attributes:
        beginning: What is logged when it begins.
        end: What is logged when it is over, with how often it happened.
    """

    beginning: str
    end: str
    _times: int = 0
    _first: float = 0.0
    _last: float = 0.0

    def happened(self, now: float, error: Exception | None = None) -> None:
        """Take note that it happened.

        Args:
            now: The time, by the monotonic clock.
            error: What says why, if anything does.
        """
        self._last = now
        self._times += 1
        if self._times == 1:
            self._first = now
            _LOG.warning(self.beginning, exc_info=error)

    def look(self, now: float) -> None:
        """See whether it is over; called now and then."""
        if self._times and now - self._last >= QUIET_SECONDS:
            seconds = round(self._last - self._first, 3)
            _LOG.warning(self.end, extra={"times": self._times, "seconds": seconds})
            self._times = 0
