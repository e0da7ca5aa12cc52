"""Tells when the store goes away and when it is back, in few lines however many requests fail."""

import logging
from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import Final

from orders_core import StoreUnavailable

_LOG: Final = logging.getLogger(__name__)

QUIET_SECONDS: Final = 10.0
"""How long it is silent about a store that is away after it has told so."""


class OutageLog:
    """Logs the outages of a store. Safe to share by threads.

    An outage begins with an operation that fails, and ends with the success of one that was begun
    after the last failure. It is told when it begins, then at most every ten seconds, and when it
    is over. Of short outages in a quick row, some are told only by the number of their failures.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        """Begin with a store that is there.

        Args:
            clock: Gives the time in seconds, from any beginning.
        """
        self._clock = clock
        self._lock = Lock()
        self._began: float | None = None
        self._last_failure = 0.0
        self._quiet_until: float | None = None
        self._told = False
        self._failures = 0

    def failed(self, operation: str, error: StoreUnavailable) -> None:
        """Take note of an operation of the store that failed just now."""
        with self._lock:
            now = self._last_failure = self._clock()
            self._failures += 1
            if self._began is None:
                self._began = now
                self._told = False
            if self._quiet_until is not None and now < self._quiet_until:
                return
            self._quiet_until = now + QUIET_SECONDS
            self._told = True
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
        """Take note of an operation that succeeded just now, and took so many seconds."""
        if self._began is not None:
            self._end(seconds)

    def _end(self, seconds: float) -> None:
        with self._lock:
            now = self._clock()
            if self._began is None or now - seconds <= self._last_failure:
                return
            lasted, self._began = now - self._began, None
            if not self._told:
                return
            failures, self._failures = self._failures, 0
        members = {"failures": failures, "seconds": round(lasted, 3)}
        _LOG.warning("store available again", extra=members)
