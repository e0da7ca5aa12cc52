"""Requests that wait to be gathered into batches, and how large the next batch is."""

from collections.abc import Sequence
from typing import Any, Final

from attrs import define, field, frozen

from orders_core import Call
from orders_http.api.exchange import Exchange, Step

SHED_SECONDS: Final = 1.0
"""How long a request waits for the store to be free before it is refused."""

MAX_BATCH_SIZE: Final = 256
"""How many requests a batch has at most; fewer at first, and while fewer are faster."""

INITIAL_BATCH_SIZE: Final = 16
"""How many the first batch has, when nothing is known of the store's speed."""

MIN_BATCH_SIZE: Final = 8
"""The least that the limit of a batch shrinks to, however slow the store is."""

LATE_SECONDS: Final = 0.25
"""How long requests wait in the order in which they came, before the latest go first."""

SLOW_SECONDS: Final = 0.15
"""How long a batch may take before a smaller one is tried."""

_FASTER: Final = 0.75
"""A smaller batch is faster when it takes less than this part of the larger one's time."""

_SLOWER: Final = 2.0
"""How many times as long as usual a batch may take before a smaller one is tried again."""

# A store that is far away takes the same time for any batch. A request may wait for two of them.
_BATCHES_TO_WAIT: Final = 2.5
_LONGEST_WAIT_SECONDS: Final = 2 * SHED_SECONDS

# Over such a store a batch waits a little, so that whoever was just answered can be in it.
_FAR_SECONDS: Final = 0.02
_REST: Final = 1 / 16
_LONGEST_REST_SECONDS: Final = 0.01


def wait_for_far_store(last_duration: float) -> float:
    """Give how long a request may wait, in seconds, where what is before it takes so long."""
    return min(_BATCHES_TO_WAIT * last_duration, _LONGEST_WAIT_SECONDS)


@define(eq=False)
class Waiting:
    """A request whose step is not taken yet.

    Attributes:
        channel: Where the reply goes.
        exchange: The request.
        step: The step that it waits for.
        begun: When it was begun, by the monotonic clock.
        on_thread: Whether a thread has begun to take the step.
    """

    channel: Any
    exchange: Exchange
    step: Step
    begun: float
    on_thread: bool = False


@frozen
class _Ended:
    """A batch that has ended: how many requests it had, and how long it took."""

    size: int
    duration: float


@define(eq=False)
class Batcher:
    """The steps of one kind: those that wait for the next batch, and whether one is under way.

    Attributes:
        call: What a batch asks of the store.
        gathered: What the next batch is made of.
        busy: Whether a batch is under way.
        max_batch_size: How many requests a batch has at most, however fast the store is.
        batch_size: How many the next one has at most.
        begun: When the last batch was begun, by the monotonic clock.
        last_duration: How long the last batch took, in seconds.
        rests_until: When the next batch is begun at the latest, once requests wait for it.
    """

    call: type[Call]
    gathered: list[Waiting] = field(factory=list)
    busy: bool = False
    max_batch_size: int = MAX_BATCH_SIZE
    batch_size: int = INITIAL_BATCH_SIZE
    begun: float = 0.0
    last_duration: float = 0.0
    rests_until: float = 0.0
    _expected: int = 0
    _usual: _Ended | None = None
    _slow: _Ended | None = None
    _size_before: int = 0

    @property
    def patience(self) -> float:
        """How long a request may wait, in seconds, before it is refused.

        With its batch it then takes `SHED_SECONDS`. Over a store that is far away it may wait for
        the batch under way and for one more: a batch that takes long is no sign of overload there.
        """
        batches = wait_for_far_store(self.last_duration)
        return max(batches, SHED_SECONDS - min(2 * self.last_duration, SHED_SECONDS / 2))

    def is_ready(self, now: float) -> bool:
        """Tell whether a batch is to be begun."""
        if self.busy or not self.gathered:
            return False
        return now >= self.rests_until or len(self.gathered) >= self._expected

    def next_batch(self, now: float) -> Sequence[Waiting]:
        """Take the requests of the next batch.

        When not all fit, those go first that came first. But once they have waited for long, the
        latest go first: in a queue that nobody can empty, all would be answered late.
        """
        waits = self.gathered
        late = max(LATE_SECONDS, _BATCHES_TO_WAIT * self.last_duration)
        if waits and now - waits[0].begun > late:
            batch, self.gathered = waits[-self.batch_size :], waits[: -self.batch_size]
        else:
            batch, self.gathered = waits[: self.batch_size], waits[self.batch_size :]
        self.busy, self.begun = True, now
        return batch

    def joined(self, batch: Sequence[Waiting]) -> Call:
        """Join the calls that requests wait for into one."""
        steps: list[Any] = [waiting.step for waiting in batch]
        return self.call([item for step in steps for item in step.items])

    def end_batch(self, size: int, now: float) -> None:
        """Take note that the batch has ended, and let its time decide on the next one."""
        self.busy = False
        self.last_duration = duration = now - self.begun
        if duration > _FAR_SECONDS or self._slow is not None:
            self.rests_until = now + min(_REST * duration, _LONGEST_REST_SECONDS)
            self._expected = min(size + len(self.gathered), self.batch_size)
            self._learn(_Ended(size, duration))
        else:
            self._usual = None
            if size == self.batch_size:
                self.batch_size = min(self.max_batch_size, 2 * size)

    def _learn(self, ended: _Ended) -> None:
        """Keep to smaller batches only when they are in fact faster.

        A batch that is slow is followed by one of half its size. When that one is not faster, the
        time is not that of the requests: the larger size is taken again, and its time is usual.
        """
        slow, self._slow = self._slow, None
        usual_duration = 0.0 if self._usual is None else self._usual.duration
        if slow is not None and ended.duration >= _FASTER * slow.duration:
            self.batch_size, self._usual = self._size_before, ended
        elif ended.duration <= max(SLOW_SECONDS, _SLOWER * usual_duration):
            if ended.size == self.batch_size:
                self.batch_size = min(self.max_batch_size, self._larger_than(ended))
            self._usual = self._usual or ended
        elif ended.size >= 2 * MIN_BATCH_SIZE:
            self._slow, self._size_before = ended, self.batch_size
            self.batch_size = ended.size // 2
        else:
            self._usual = ended

    def _larger_than(self, ended: _Ended) -> int:
        """Give a size at which a batch is not yet slower than usual; twice as large at least."""
        usual, size = self._usual, 2 * ended.size
        if usual is None or usual.size >= ended.size:
            return size
        seconds_each = (ended.duration - usual.duration) / (ended.size - usual.size)
        spare_seconds = (_SLOWER - 1) * usual.duration
        if seconds_each * self.max_batch_size <= spare_seconds:
            return self.max_batch_size
        return max(size, int(spare_seconds / seconds_each))
