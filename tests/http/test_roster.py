"""Workers leave connections to each other."""

import os

from attrs import define
from hypothesis import given
from hypothesis import strategies as st

from orders_http.roster import Roster, slack


@define
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@given(
    st.integers(1, 5),
    st.lists(st.tuples(st.booleans(), st.integers(0, 10)), max_size=200),
)
def test_no_worker_holds_more_than_the_others_and_the_slack(
    workers: int, events: list[tuple[bool, int]]
) -> None:
    roster = Roster(workers)
    places = [roster.place(number) for number in range(workers)]
    held = [0] * workers
    for place in places:
        place.turned(0)
    for opens, number in events:
        worker = number % workers
        if opens and places[worker].may_accept(held[worker]):
            held[worker] += 1
            assert held[worker] <= min(held) + slack(min(held)) + 1
        elif not opens and held[worker]:
            held[worker] -= 1
        places[worker].turned(held[worker])
        assert roster.connections(worker) == held[worker]
        # Whatever happens, someone takes the next connection.
        assert any(place.may_accept(held[place.number]) for place in places)


def test_a_worker_that_does_not_turn_is_not_waited_for() -> None:
    clock = Clock()
    roster = Roster(2, clock)
    busy, stuck = roster.place(0), roster.place(1)
    busy.turned(100)
    stuck.turned(0)
    assert not busy.may_accept(100)
    clock.now += 10
    busy.turned(100)
    assert busy.may_accept(100)


def test_a_worker_alone_takes_all() -> None:
    assert Roster(1).place(0).may_accept(10_000)


def test_what_one_process_notes_the_others_read() -> None:
    roster = Roster(2)
    assert (roster.turned(1), roster.stopping) == (0, False)
    child = os.fork()
    if not child:
        roster.place(1).turned(7)
        roster.stop()
        os._exit(0)
    os.waitpid(child, 0)
    assert (roster.connections(1), roster.stopping) == (7, True)
    assert roster.turned(1) > 0
