"""Requests that wait for the next batch, and how large that batch may be."""

from collections.abc import Sequence
from typing import Any, Final, Protocol

from attrs import define, field, frozen

from orders_core import Call
from orders_http.api.exchange import Exchange, Step
from orders_http.api.http_messages import Reply
from orders_http.server.limits import Limits

INITIAL_BATCH_SIZE: Final = 16
"""The largest batch before the store's speed is known."""

MIN_BATCH_SIZE: Final = 8
"""Slow batches are not made smaller than this."""

_FASTER: Final = 0.75
"""A smaller batch is faster if it takes less than this fraction of the larger one's time."""

_SLOWER: Final = 2.0
"""A batch that takes this many times as long as usual is followed by a smaller one."""

# A far store takes the same time for a batch of any size. A request may wait for two batches.
_BATCHES_TO_WAIT: Final = 2.5

# With a far store a batch waits a little, so that the clients just answered can join it.
_FAR_SECONDS: Final = 0.02
_REST: Final = 1 / 16
_MAX_REST_SECONDS: Final = 0.01


def max_queue_seconds(last_duration: float, limits: Limits) -> float:
    """Return how long a request may queue with a far store, by how long the last call took."""
    return min(_BATCHES_TO_WAIT * last_duration, 2 * limits.shed_seconds)


class Answerable(Protocol):
    """A connection with requests that are answered one after the other."""

    def open_request(self) -> dict[str, Any] | None:
        """Return the WSGI environment of the first request; None if it needs no answer."""

    def answer(self, reply: Reply) -> None:
        """Reply to the first request."""


@define(eq=False)
class ActiveRequest:
    """A request that waits for the result of a step.

    Attributes:
        connection: The connection that the reply goes to.
        exchange: The request.
        step: The step.
        begun: When the request was begun, by the loop's clock.
        on_thread: Whether a thread has begun the step.
    """

    connection: Answerable
    exchange: Exchange
    step: Step
    begun: float
    on_thread: bool = False


@frozen
class _Ended:
    """The size and the duration of a batch that has ended."""

    size: int
    duration: float


@define(eq=False)
class Batcher:
    """Gathers the steps of one kind into batches; one batch at a time is under way.

    Attributes:
        call: The kind of call that a batch makes.
        limits: The server's limits.
        max_batch_size: The largest batch, however fast the store is.
        queue: The requests that wait for the next batch.
        busy: Whether a batch is under way.
        batch_size: The most requests that the next batch may have.
        begun: When the last batch was begun, by the loop's clock.
        last_duration: How long the last batch took, in seconds.
        rests_until: The latest time at which the next batch begins, if requests are queued.
    """

    call: type[Call]
    limits: Limits
    max_batch_size: int
    queue: list[ActiveRequest] = field(factory=list)
    busy: bool = False
    batch_size: int = INITIAL_BATCH_SIZE
    begun: float = 0.0
    last_duration: float = 0.0
    rests_until: float = 0.0
    _expected: int = 0
    _usual: _Ended | None = None
    _slow: _Ended | None = None
    _size_before: int = 0

    @property
    def max_queue_seconds(self) -> float:
        """How long a request may queue before it is refused.

        Together with its batch it then takes `shed_seconds`. With a far store it may wait for the
        batch under way and for one more: there a slow batch is no sign of overload.
        """
        shed = self.limits.shed_seconds
        near = shed - min(2 * self.last_duration, shed / 2)
        return max(near, max_queue_seconds(self.last_duration, self.limits))

    def is_ready(self, now: float) -> bool:
        """Return whether to begin a batch."""
        if self.busy or not self.queue:
            return False
        return now >= self.rests_until or len(self.queue) >= self._expected

    def next_batch(self, now: float) -> Sequence[ActiveRequest]:
        """Return the requests of the next batch, which begins now.

        If not all fit, the first to arrive go first. But once requests have waited for too long,
        the latest go first: in a queue that cannot be emptied, all would be answered late.
        """
        waits = self.queue
        late = max(self.limits.late_seconds, _BATCHES_TO_WAIT * self.last_duration)
        if waits and now - waits[0].begun > late:
            batch, self.queue = waits[-self.batch_size :], waits[: -self.batch_size]
        else:
            batch, self.queue = waits[: self.batch_size], waits[self.batch_size :]
        self.busy, self.begun = True, now
        return batch

    def join(self, batch: Sequence[ActiveRequest]) -> Call:
        """Join the calls that a batch of requests waits for into one."""
        steps: list[Any] = [request.step for request in batch]
        return self.call([item for step in steps for item in step.items])

    def end_batch(self, size: int, now: float) -> None:
        """Note that the batch has ended, and adapt the size of the next one to its duration."""
        self.busy = False
        self.last_duration = duration = now - self.begun
        if duration > _FAR_SECONDS or self._slow is not None:
            self.rests_until = now + min(_REST * duration, _MAX_REST_SECONDS)
            self._expected = min(size + len(self.queue), self.batch_size)
            self._learn(_Ended(size, duration))
        else:
            self._usual = None
            if size == self.batch_size:
                self.batch_size = min(self.max_batch_size, 2 * size)

    def _learn(self, ended: _Ended) -> None:
        """Keep to smaller batches only if they are in fact faster.

        A slow batch is followed by one of half its size. If that one is no faster, the duration
        does not depend on the size: the larger size is used again, and its duration is usual.
        """
        slow, self._slow = self._slow, None
        usual_duration = 0.0 if self._usual is None else self._usual.duration
        if slow is not None and ended.duration >= _FASTER * slow.duration:
            self.batch_size, self._usual = self._size_before, ended
        elif ended.duration <= max(self.limits.slow_batch_seconds, _SLOWER * usual_duration):
            if ended.size == self.batch_size:
                self.batch_size = min(self.max_batch_size, self._larger_than(ended))
            self._usual = self._usual or ended
        elif ended.size >= 2 * MIN_BATCH_SIZE:
            self._slow, self._size_before = ended, self.batch_size
            self.batch_size = ended.size // 2
        else:
            self._usual = ended

    def _larger_than(self, ended: _Ended) -> int:
        """Return a size at which a batch is not yet slower than usual; at least twice as large."""
        usual, size = self._usual, 2 * ended.size
        if usual is None or usual.size >= ended.size:
            return size
        seconds_each = (ended.duration - usual.duration) / (ended.size - usual.size)
        spare_seconds = (_SLOWER - 1) * usual.duration
        if seconds_each * self.max_batch_size <= spare_seconds:
            return self.max_batch_size
        return max(size, int(spare_seconds / seconds_each))
