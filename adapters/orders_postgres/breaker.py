"""Stop asking a database that does not answer, and find out soon when it does again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import SystemRandom
from threading import Lock
from time import monotonic
from typing import Final

from orders_core import Reason, StoreUnavailable

OPENS_AFTER: Final = 5
"""Failed connects in a row that open the breaker."""
SHORTEST_WAIT: Final = 0.1
LONGEST_WAIT: Final = 30.0
SHORT_OUTAGE: Final = 60.0
"""An outage is short until so many seconds after its first failed connect."""
# With a connect to one host that began just before the repair and ends after 2 s, it makes less
# than 5 s.
LONGEST_WAIT_IN_SHORT_OUTAGE: Final = 2.5

# From here on the doubled wait is beyond the longest; doubling for ever would overflow.
_MOST_DOUBLINGS: Final = 9


class Breaker:
    """Guards the opening of connections. Safe to share by threads.

    Closed, it lets everyone try. After five failed connects in a row, for whatever reason, it
    opens: nobody tries, everyone is told the last failure at once. Then it waits and lets a
    single one try: a success closes it, a failure makes it wait again.

    The waits have full jitter, so that many processes do not come back together: the n-th,
    counted from 0, is random between 0 and 0.1 s times 2 to the n, and never less than 0.1 s.
    No wait that is drawn in the first minute of an outage is longer than 2.5 s, so that after a
    short outage the database is in use again within 5 s of its repair. After a longer one a
    wait may take up to 30 s, and the database may be back for as long before it is used.

    It has no thread of its own: the try after the wait is made by the next one who asks.
    """

    def __init__(
        self,
        clock: Callable[[], float] = monotonic,
        random: Callable[[], float] | None = None,
    ) -> None:
        """Begin closed.

        Args:
            clock: Gives seconds that never go backwards.
            random: Gives numbers from 0 up to, but not including, 1.
        """
        self._clock = clock
        self._random = random or SystemRandom().random
        self._lock = Lock()
        self._failures = 0
        self._failing_since = 0.0
        self._next_try = 0.0
        self._probing = False
        # Not the last error itself, whose traceback would keep what the connect held.
        self._reason = Reason.UNREACHABLE
        self._message = ""

    @property
    def is_open(self) -> bool:
        """Whether those who ask are refused, but for a single one now and then."""
        return self._failures >= OPENS_AFTER

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Try to connect inside; how the block ends is what the breaker learns from.

        An exception other than `StoreUnavailable` tells nothing about the database, and counts
        neither as a failure nor as a success.

        Raises:
            StoreUnavailable: At once, while the breaker is open: the reason is that of the last
                failed connect, the message says when the next try is.
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
        """Let one in, or refuse; give whether it is the only one that is let in."""
        with self._lock:
            if self._failures < OPENS_AFTER:
                return False
            seconds = self._next_try - self._clock()
            if not self._probing and seconds <= 0:
                self._probing = True
                return True
            when = "under way" if self._probing else f"in {seconds:.1f} s"
            message = f"{self._message} (not tried now: the next try is {when})"
            raise StoreUnavailable(self._reason, message)

    def _count(self, failure: StoreUnavailable, *, is_probe: bool) -> None:
        if self._failures >= OPENS_AFTER and not is_probe:
            # It began before the breaker opened, and tells nothing new.
            return
        now = self._clock()
        if not self._failures:
            self._failing_since = now
        self._failures += 1
        self._reason, self._message = failure.reason, failure.message
        if self._failures >= OPENS_AFTER:
            self._next_try = now + self._wait(now - self._failing_since)

    def _wait(self, outage: float) -> float:
        doublings = min(self._failures - OPENS_AFTER, _MOST_DOUBLINGS)
        longest = LONGEST_WAIT if outage >= SHORT_OUTAGE else LONGEST_WAIT_IN_SHORT_OUTAGE
        ceiling = min(longest, SHORTEST_WAIT * 2.0**doublings)
        return max(SHORTEST_WAIT, self._random() * ceiling)
