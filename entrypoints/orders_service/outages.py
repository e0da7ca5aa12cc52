"""Logs outages of the store in few lines, however many requests fail."""

import logging
from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import Final

from orders_core import StoreUnavailable

_LOG: Final = logging.getLogger(__name__)

QUIET_SECONDS: Final = 10.0
"""Minimum seconds between two lines about failures."""


class OutageLog:
    """Logs the outages of a store. Thread-safe.

    An outage begins with a failed operation, and ends with a successful one that was begun after
    the last failure. It is logged at its begin, then at most every ten seconds, and at its end. If
    short outages follow each other quickly, some appear only in the number of failures.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        """Begin with an available store.

        Args:
            clock: Returns the time in seconds, from any starting point.
        """
        self._clock = clock
        self._lock = Lock()
        self._began: float | None = None
        self._last_failure = 0.0
        self._quiet_until: float | None = None
        self._logged = False
        self._failures = 0

    def failed(self, operation: str, error: StoreUnavailable) -> None:
        """Note an operation of the store that has just failed."""
        with self._lock:
            now = self._last_failure = self._clock()
            self._failures += 1
            if self._began is None:
                self._began = now
                self._logged = False
            if self._quiet_until is not None and now < self._quiet_until:
                return
            self._quiet_until = now + QUIET_SECONDS
            self._logged = True
            seconds = now - self._began
            failures, self._failures = self._failures, 0
        members = {
            "reason": error.reason.value,
            "operation": operation,
            "failures": failures,
            "seconds": round(seconds, 3),
        }
        _LOG.warning("store unavailable", extra=members, exc_info=error)

    def succeeded(self, seconds: float) -> None:
        """Note an operation that has just succeeded, after so many seconds."""
        if self._began is not None:
            self._end(seconds)

    def _end(self, seconds: float) -> None:
        with self._lock:
            now = self._clock()
            if self._began is None or now - seconds <= self._last_failure:
                return
            duration, self._began = now - self._began, None
            if not self._logged:
                return
            failures, self._failures = self._failures, 0
        members = {"failures": failures, "seconds": round(duration, 3)}
        _LOG.warning("store available again", extra=members)
