"""Which requests are in the next batch."""

from collections.abc import Sequence
from http import HTTPStatus

from orders_core import GetOrders, OrderId
from orders_http.api.exchange import Exchange, ReplyCoroutine
from orders_http.api.http_messages import Reply
from orders_http.server.batcher import INITIAL_BATCH_SIZE, ActiveRequest, Batcher
from orders_http.server.limits import Limits

LIMITS = Limits(late_seconds=0.25)


def batcher(gathered: int) -> Batcher:
    """Make a batcher with this many queued requests, the first of which has waited longest."""
    made = Batcher(GetOrders, LIMITS, LIMITS.max_batch_size)
    made.queue.extend(waiting(number) for number in range(gathered))
    return made


class Silent:
    """A client that is never answered."""

    def open_request(self) -> None: ...

    def answer(self, reply: Reply) -> None: ...


def waiting(begun: float) -> ActiveRequest:
    """Make a request that has waited since some time."""
    step = GetOrders([OrderId("A")])

    def steps() -> ReplyCoroutine:
        yield step
        return Reply(HTTPStatus.OK)

    return ActiveRequest(Silent(), Exchange(steps()), step, begun)


def begun(batch: Sequence[ActiveRequest]) -> list[float]:
    return [each.begun for each in batch]


def test_all_queued_requests_are_in_one_batch_if_they_fit() -> None:
    found = batcher(INITIAL_BATCH_SIZE)
    assert begun(found.next_batch(0.0)) == list(range(INITIAL_BATCH_SIZE))
    assert (found.queue, found.busy) == ([], True)


def test_if_not_all_fit_the_first_to_arrive_go_first() -> None:
    found = batcher(INITIAL_BATCH_SIZE + 5)
    assert begun(found.next_batch(LIMITS.late_seconds)) == list(range(INITIAL_BATCH_SIZE))
    assert begun(found.queue) == list(range(INITIAL_BATCH_SIZE, INITIAL_BATCH_SIZE + 5))


def test_once_requests_have_waited_too_long_the_latest_go_first() -> None:
    found = batcher(INITIAL_BATCH_SIZE + 5)
    assert begun(found.next_batch(LIMITS.late_seconds + 0.01)) == list(
        range(5, INITIAL_BATCH_SIZE + 5)
    )
    assert begun(found.queue) == [0, 1, 2, 3, 4]
