"""Stop connecting to a database that is down, and notice soon when it is back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import SystemRandom
from threading import Lock
from time import monotonic
from typing import Final

from orders_core import Reason, StoreUnavailable

OPENS_AFTER: Final = 5
"""The number of consecutive failed connects that opens the breaker."""
SHORTEST_WAIT: Final = 0.1
LONGEST_WAIT: Final = 30.0
SHORT_OUTAGE: Final = 60.0
"""An outage counts as short until this many seconds after its first failed connect."""
# A connect may begin just before the repair and fail 2 s later. With that, recovery takes less than
# 5 s.
LONGEST_WAIT_IN_SHORT_OUTAGE: Final = 2.5

# More would exceed LONGEST_WAIT, and overflow in the end.
_MAX_DOUBLINGS: Final = 9


class Breaker:
    """A circuit breaker for connecting. Thread-safe.

    Closed, it allows every attempt. After five consecutive failures, whatever their reason, it
    opens: every attempt fails immediately with the last error. After a wait it allows a single
    attempt: success closes the breaker, failure begins the next wait.

    Waits have full jitter, so that many processes do not reconnect at the same moment: wait
    number n, counted from 0, is random between 0 and 0.1 s times 2 to the n, but at least 0.1 s.
    In the first minute of an outage no wait exceeds 2.5 s, so after a short outage the database
    is in use within 5 s of its repair. After a longer one, a wait may take up to 30 s.

    The breaker has no thread: the next caller after the wait makes the attempt.
    """

    def __init__(
        self,
        clock: Callable[[], float] = monotonic,
        random: Callable[[], float] | None = None,
    ) -> None:
        """Begin closed.

        Args:
            clock: Returns monotonic seconds.
            random: Returns numbers from 0 up to, but not including, 1.
        """
        self._clock = clock
        self._random = random or SystemRandom().random
        self._lock = Lock()
        self._failures = 0
        self._failing_since = 0.0
        self._next_try = 0.0
        self._probing = False
        # Not the error itself: its traceback would keep the objects of the connect alive.
        self._reason = Reason.UNREACHABLE
        self._message = ""

    @property
    def is_open(self) -> bool:
        """Whether attempts are refused, except for a single probe now and then."""
        return self._failures >= OPENS_AFTER

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Connect in the block; the breaker counts how it ends.

        An exception other than `StoreUnavailable` says nothing about the database, and counts
        neither as a failure nor as a success.

        Raises:
            StoreUnavailable: Immediately, while the breaker is open: with the reason of the last
                failure, and a message that says when the next attempt is due.
        """
        is_probe = self._admit()
        failure: StoreUnavailable | None = None
        succeeded = False
        try:
            yield
            succeeded = True
        except StoreUnavailable as error:
            failure = error
            raise
        finally:
            with self._lock:
                if succeeded:
                    self._failures = 0
                elif failure is not None:
                    self._count(failure, is_probe=is_probe)
                if is_probe:
                    self._probing = False

    def _admit(self) -> bool:
        """Allow an attempt or refuse it; return whether it is the probe of an open breaker."""
        with self._lock:
            if self._failures < OPENS_AFTER:
                return False
            seconds = self._next_try - self._clock()
            if not self._probing and seconds <= 0:
                self._probing = True
                return True
            when = "is under way" if self._probing else f"is due in {seconds:.1f} s"
            message = f"{self._message} (not retried yet: the next attempt {when})"
            raise StoreUnavailable(self._reason, message)

    def _count(self, failure: StoreUnavailable, *, is_probe: bool) -> None:
        if self._failures >= OPENS_AFTER and not is_probe:
            # The attempt began before the breaker opened: nothing new.
            return
        now = self._clock()
        if not self._failures:
            self._failing_since = now
        self._failures += 1
        self._reason, self._message = failure.reason, failure.message
        if self._failures >= OPENS_AFTER:
            self._next_try = now + self._wait(now - self._failing_since)

    def _wait(self, outage: float) -> float:
        doublings = min(self._failures - OPENS_AFTER, _MAX_DOUBLINGS)
        longest = LONGEST_WAIT if outage >= SHORT_OUTAGE else LONGEST_WAIT_IN_SHORT_OUTAGE
        ceiling = min(longest, SHORTEST_WAIT * 2.0**doublings)
        return max(SHORTEST_WAIT, self._random() * ceiling)
