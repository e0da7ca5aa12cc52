"""Who is in the next batch."""

from collections.abc import Sequence
from http import HTTPStatus

from orders_core import GetOrders, OrderId
from orders_http.api.exchange import Exchange, ReplyCoroutine
from orders_http.api.messages import Reply
from orders_http.server.batches import INITIAL_BATCH_SIZE, Batcher, Waiting
from orders_http.server.limits import Limits

LIMITS = Limits(late_seconds=0.25)


def batcher(gathered: int) -> Batcher:
    """Make a batcher in which so many requests wait, the first one the longest."""
    made = Batcher(GetOrders, LIMITS, LIMITS.max_batch_size)
    made.gathered.extend(waiting(number) for number in range(gathered))
    return made


def waiting(begun: float) -> Waiting:
    """Make a request that began to wait at some time."""
    step = GetOrders([OrderId("A")])

    def steps() -> ReplyCoroutine:
        yield step
        return Reply(HTTPStatus.OK)

    return Waiting(None, Exchange(steps()), step, begun)


def begun(batch: Sequence[Waiting]) -> list[float]:
    return [each.begun for each in batch]


def test_all_that_waits_goes_in_one_batch_when_it_fits() -> None:
    found = batcher(INITIAL_BATCH_SIZE)
    assert begun(found.next_batch(0.0)) == list(range(INITIAL_BATCH_SIZE))
    assert (found.gathered, found.busy) == ([], True)


def test_when_not_all_fit_those_go_first_that_came_first() -> None:
    found = batcher(INITIAL_BATCH_SIZE + 5)
    assert begun(found.next_batch(LIMITS.late_seconds)) == list(range(INITIAL_BATCH_SIZE))
    assert begun(found.gathered) == list(range(INITIAL_BATCH_SIZE, INITIAL_BATCH_SIZE + 5))


def test_once_they_have_waited_for_long_the_latest_go_first() -> None:
    found = batcher(INITIAL_BATCH_SIZE + 5)
    assert begun(found.next_batch(LIMITS.late_seconds + 0.01)) == list(
        range(5, INITIAL_BATCH_SIZE + 5)
    )
    assert begun(found.gathered) == [0, 1, 2, 3, 4]
