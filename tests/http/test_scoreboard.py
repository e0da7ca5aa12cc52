"""Workers leave connections to those that have fewer."""

import os
from contextlib import ExitStack

from hypothesis import given
from hypothesis import strategies as st

from orders_http.api.application import HttpSettings, create_app
from orders_http.api.hosts import HostRule
from orders_http.server.gathering import GatheringServer
from orders_http.server.listening_sockets import listen
from orders_http.server.scoreboard import Scoreboard, slack
from orders_memory import MemoryStore
from tests.clock import Clock
from tests.http.hostile_requests import get
from tests.http.wire import Wire, connected_to
from tests.service_process import served


@given(
    st.integers(1, 5),
    st.lists(st.tuples(st.booleans(), st.integers(0, 10)), max_size=200),
)
def test_no_worker_exceeds_the_others_by_more_than_the_slack(
    workers: int, events: list[tuple[bool, int]]
) -> None:
    scoreboard = Scoreboard(workers)
    slots = [scoreboard.slot(number) for number in range(workers)]
    held = [0] * workers
    for slot in slots:
        slot.heartbeat(0)
    for opens, number in events:
        worker = number % workers
        if opens and slots[worker].may_accept(held[worker]):
            held[worker] += 1
            assert held[worker] <= min(held) + slack(min(held)) + 1
        elif not opens and held[worker]:
            held[worker] -= 1
        slots[worker].heartbeat(held[worker])
        assert scoreboard.connections(worker) == held[worker]
        # Some worker always accepts the next connection.
        assert any(slot.may_accept(held[slot.number]) for slot in slots)


def test_a_worker_without_a_heartbeat_is_ignored() -> None:
    clock = Clock(1000.0)
    scoreboard = Scoreboard(2, clock)
    busy, stuck = scoreboard.slot(0), scoreboard.slot(1)
    busy.heartbeat(100)
    stuck.heartbeat(0)
    assert not busy.may_accept(100)
    clock.seconds += 10
    busy.heartbeat(100)
    assert busy.may_accept(100)


def test_a_worker_that_has_ended_is_ignored() -> None:
    scoreboard = Scoreboard(2, Clock(1000.0))
    here, ended = scoreboard.slot(0), scoreboard.slot(1)
    ended.heartbeat(0)
    assert not here.may_accept(100)
    scoreboard.leave(1)
    assert here.may_accept(100)
    ended.heartbeat(0)
    assert not here.may_accept(100), "its successor counts"


def test_a_single_worker_accepts_everything() -> None:
    assert Scoreboard(1).slot(0).may_accept(10_000)


def test_processes_see_what_others_note() -> None:
    scoreboard = Scoreboard(2)
    assert (scoreboard.last_heartbeat(1), scoreboard.stopping) == (0, False)
    child = os.fork()
    if not child:
        scoreboard.slot(1).heartbeat(7)
        scoreboard.stop()
        os._exit(0)
    os.waitpid(child, 0)
    assert (scoreboard.connections(1), scoreboard.stopping) == (7, True)
    assert scoreboard.last_heartbeat(1) > 0


class PatientServer(GatheringServer):
    """A server whose loop runs only after an event."""

    def _run_once(self, _timeout: float = 1.0) -> None:
        super()._run_once(60.0)


def test_a_sleeping_server_wakes_to_accept_a_connection_that_another_leaves() -> None:
    store = MemoryStore()
    application = create_app(store, HttpSettings("USD", HostRule()))
    scoreboard = Scoreboard(2, Clock(1000.0))
    other = scoreboard.slot(1)
    other.heartbeat(0)
    server = PatientServer(application, store, listen("127.0.0.1", 0), scoreboard.slot(0))
    with served(server) as port, ExitStack() as stack:

        def connect() -> Wire:
            wire = stack.enter_context(connected_to("127.0.0.1", port))
            wire.send(get("/health"))
            return wire

        first, second = connect(), connect()
        assert (first.receive().status, second.receive().status) == (200, 200)
        for held in range(2, 22):
            left = connect()
            first.send(get("/health"))
            assert first.receive().status == 200
            assert server.connections == held, "it should be left to the other"
            other.heartbeat(100)
            assert left.receive().status == 200
            other.heartbeat(0)
            first.send(get("/health"))
            assert first.receive().status == 200
