"""How large the next batch is, and who is in it."""

from collections.abc import Sequence
from http import HTTPStatus

from hypothesis import given
from hypothesis import strategies as st

from orders_core import OrderId
from orders_http.exchange import Exchange, Get, Steps
from orders_http.lanes import (
    FIRST_MOST,
    LATE_SECONDS,
    MOST,
    SHED_SECONDS,
    SLOW_SECONDS,
    Lane,
    Waiting,
)
from orders_http.messages import Reply


def lane(gathered: int = 0) -> Lane:
    """Make a lane in which so many requests wait, the first one the longest."""
    made = Lane("add", asked=lambda step: step, begin=lambda _asked: None, take=list)
    made.gathered.extend(waiting(number) for number in range(gathered))
    return made


def waiting(begun: float) -> Waiting:
    """Make a request that began to wait at some time."""
    step = Get(OrderId("A"))

    def steps() -> Steps:
        yield step
        return Reply(HTTPStatus.OK)

    return Waiting(None, Exchange(steps()), step, begun)


def begun(batch: Sequence[Waiting]) -> list[float]:
    return [each.begun for each in batch]


def test_all_that_waits_goes_in_one_batch_when_it_fits() -> None:
    found = lane(FIRST_MOST)
    assert begun(found.next_batch(0.0)) == list(range(FIRST_MOST))
    assert (found.gathered, found.busy) == ([], True)


def test_when_not_all_fit_those_go_first_that_came_first() -> None:
    found = lane(FIRST_MOST + 5)
    assert begun(found.next_batch(LATE_SECONDS)) == list(range(FIRST_MOST))
    assert begun(found.gathered) == list(range(FIRST_MOST, FIRST_MOST + 5))


def test_once_they_have_waited_for_long_the_latest_go_first() -> None:
    found = lane(FIRST_MOST + 5)
    assert begun(found.next_batch(LATE_SECONDS + 0.01)) == list(range(5, FIRST_MOST + 5))
    assert begun(found.gathered) == [0, 1, 2, 3, 4]


@given(st.lists(st.tuples(st.integers(1, 600), st.floats(0.0, 5.0)), max_size=40))
def test_batches_grow_while_the_store_is_fast_and_shrink_while_it_is_slow(
    batches: list[tuple[int, float]],
) -> None:
    found = lane()
    now = 1_000.0
    for arriving, seconds in batches:
        found.gathered.extend(waiting(now) for _ in range(arriving))
        most, waited = found.most, len(found.gathered)
        batch = found.next_batch(now)
        assert len(batch) == min(most, waited)
        assert len(batch) + len(found.gathered) == waited
        began, now = now, now + seconds
        found.end_batch(len(batch), now)
        assert not found.busy
        if now - began > SLOW_SECONDS:
            assert found.most == max(1, len(batch) // 2)
        elif len(batch) == most:
            assert found.most == min(MOST, 2 * most)
        else:
            assert found.most == most
        assert 1 <= found.most <= MOST
        assert SHED_SECONDS / 2 <= found.patience <= SHED_SECONDS
