"""Requests that wait to be gathered into batches, and how large the next batch is."""

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

from attrs import define, field

from orders_core import Pending
from orders_http.exchange import Exchange, Step

SHED_SECONDS: Final = 1.0
"""How long a request waits for the store to be free before it is refused."""

MOST: Final = 256
"""How many requests a batch has at most; fewer at first, and while the store is slow."""

FIRST_MOST: Final = 16
"""How many the first batch has, when nothing is known of the store's speed."""

LATE_SECONDS: Final = 0.25
"""How long requests wait in the order in which they came, before the latest go first."""

SLOW_SECONDS: Final = 0.15
"""How long a batch may take before the next ones are made smaller."""


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


@define(eq=False)
class Lane:
    """The steps of one kind: what is gathered of them, and whether a batch is under way.

    Attributes:
        operation: What metrics call it.
        asked: Gives what a step asks of the store.
        begin: Begins a batch, when the store can do so without waiting.
        take: Takes a batch, and waits.
        gathered: What the next batch is made of.
        busy: Whether a batch is under way.
        largest: How many requests a batch has at most, however fast the store is.
        most: How many the next one has at most.
        begun: When the last batch was begun, by the monotonic clock.
        lasted: How long the last batch took, in seconds.
    """

    operation: Literal["add", "get", "page"]
    asked: Callable[[Any], object]
    begin: Callable[[Sequence[Any]], Pending[object] | None]
    take: Callable[[Sequence[Any]], Sequence[object]]
    gathered: list[Waiting] = field(factory=list)
    busy: bool = False
    largest: int = MOST
    most: int = FIRST_MOST
    begun: float = 0.0
    lasted: float = 0.0

    @property
    def patience(self) -> float:
        """How long a request may wait, in seconds, so that with a batch it takes no longer."""
        return SHED_SECONDS - min(2 * self.lasted, SHED_SECONDS / 2)

    def next_batch(self, now: float) -> Sequence[Waiting]:
        """Take the requests of the next batch.

        When not all fit, those go first that came first. But once they have waited for long, the
        latest go first: in a queue that nobody can empty, all would be answered late.
        """
        waits = self.gathered
        if waits and now - waits[0].begun > LATE_SECONDS:
            batch, self.gathered = waits[-self.most :], waits[: -self.most]
        else:
            batch, self.gathered = waits[: self.most], waits[self.most :]
        self.busy, self.begun = True, now
        return batch

    def end_batch(self, size: int, now: float) -> None:
        """Take note that the batch has ended, and let its time decide on the next one's size."""
        self.busy = False
        self.lasted = now - self.begun
        if self.lasted > SLOW_SECONDS:
            self.most = max(1, size // 2)
        elif size == self.most:
            self.most = min(self.largest, 2 * self.most)
