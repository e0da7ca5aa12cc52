"""The breaker: a database that is down is left alone, and used again soon after it is back."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, suppress
from enum import Enum, auto
from threading import Barrier
from typing import Final

import pytest
from attrs import define
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from orders_core import Order, Outcome, Reason, StoreUnavailable
from orders_postgres import PostgresStore
from orders_postgres.breaker import Breaker
from tests.postgres_server import PostgresServer, open_server, wait_until

REFUSED: Final = StoreUnavailable(Reason.REFUSED, "wrong password")
UNTRIED: Final = "not retried yet"
CEILINGS: Final = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0)

fractions = st.floats(0, 1, exclude_max=True)


@define
class World:
    """The clock and the randomness of a breaker, controlled by the test."""

    now: float = 1000.0
    fraction: float = 0.0

    def breaker(self) -> Breaker:
        """Make a breaker that uses them."""
        return Breaker(lambda: self.now, lambda: self.fraction)


@pytest.fixture
def world() -> World:
    return World()


def fail(breaker: Breaker, times: int = 1) -> None:
    """Let this many consecutive connects fail."""
    for _ in range(times):
        with pytest.raises(StoreUnavailable) as caught, breaker.attempt():
            raise REFUSED
        assert caught.value is REFUSED


def succeed(breaker: Breaker) -> None:
    with breaker.attempt():
        pass


def refusal(breaker: Breaker) -> StoreUnavailable:
    """Return the error of a refused attempt."""
    with pytest.raises(StoreUnavailable, match=UNTRIED) as caught, breaker.attempt():
        pytest.fail("the attempt was allowed")
    return caught.value


def test_the_fifth_consecutive_failure_opens_the_breaker(world: World) -> None:
    breaker = world.breaker()
    fail(breaker, 5)
    refusal(breaker)


def test_a_success_resets_the_count(world: World) -> None:
    breaker = world.breaker()
    fail(breaker, 4)
    succeed(breaker)
    fail(breaker, 4)
    succeed(breaker)


def test_a_refusal_reports_the_last_failure_and_when_the_next_attempt_is_due(world: World) -> None:
    breaker = world.breaker()
    fail(breaker, 5)
    world.now += 10
    world.fraction = 0.9
    fail(breaker)
    error = refusal(breaker)
    assert error.reason is Reason.REFUSED
    assert str(error) == "wrong password (not retried yet: the next attempt is due in 0.2 s)"
    world.now += 10
    with breaker.attempt():
        assert "the next attempt is under way" in str(refusal(breaker))


def test_a_success_after_the_wait_closes_the_breaker(world: World) -> None:
    breaker = world.breaker()
    fail(breaker, 5)
    world.now += 0.1
    succeed(breaker)
    fail(breaker, 4)
    succeed(breaker)


def test_exceptions_that_say_nothing_about_the_database_are_not_counted(world: World) -> None:
    breaker = world.breaker()
    for _ in range(9):
        with pytest.raises(KeyboardInterrupt), breaker.attempt():
            raise KeyboardInterrupt
    fail(breaker, 5)
    world.now += 0.1
    with pytest.raises(KeyboardInterrupt), breaker.attempt():
        raise KeyboardInterrupt
    succeed(breaker)


def test_a_connect_begun_before_the_breaker_opened_does_not_prolong_the_wait_by_failing(
    world: World,
) -> None:
    breaker = world.breaker()
    late = breaker.attempt()
    late.__enter__()
    fail(breaker, 5)
    world.now += 0.1
    assert not late.__exit__(StoreUnavailable, REFUSED, None)
    succeed(breaker)


def test_a_connect_begun_before_the_breaker_opened_closes_it_by_succeeding(world: World) -> None:
    breaker = world.breaker()
    with breaker.attempt():
        fail(breaker, 5)
        refusal(breaker)
    succeed(breaker)


def test_after_the_wait_one_of_many_threads_may_try(world: World) -> None:
    breaker = world.breaker()
    fail(breaker, 5)
    world.now += 0.1
    barrier = Barrier(8)

    def attempt(_: int) -> bool:
        barrier.wait()
        with suppress(StoreUnavailable), breaker.attempt():
            # No attempt ends before all were allowed or refused.
            barrier.wait()
            return True
        barrier.wait()
        return False

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(attempt, range(8))) == 1
    succeed(breaker)


@given(st.lists(fractions, min_size=1, max_size=60))
def test_waits_double_within_their_bounds_and_stay_short_in_a_short_outage(
    drawn: list[float],
) -> None:
    world = World()
    breaker = world.breaker()
    began = world.now
    fail(breaker, 4)
    for number, world.fraction in enumerate(drawn):
        fail(breaker)
        ceiling = CEILINGS[min(number, len(CEILINGS) - 1)]
        if world.now < began + 60:
            ceiling = min(ceiling, 2.5)
        wait = max(0.1, ceiling * world.fraction)
        world.now += wait - 0.001
        refusal(breaker)
        world.now += 0.002
    succeed(breaker)


def test_an_endless_outage_does_not_overflow(world: World) -> None:
    breaker = world.breaker()
    fail(breaker, 5)
    for _ in range(2_000):
        world.now += 30
        fail(breaker)
    world.now += 30
    succeed(breaker)


class End(Enum):
    """How an attempt ends."""

    SUCCESS = auto()
    FAILURE = auto()
    INTERRUPTION = auto()


class Attempts(RuleBasedStateMachine):
    """Attempts that overlap in any way, against a model of a few numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.breaker = self.world.breaker()
        self.running: list[tuple[AbstractContextManager[None], bool]] = []
        self.failures = 0
        self.next_try = 0.0
        self.began = 0.0

    @property
    def is_probing(self) -> bool:
        return any(is_probe for _, is_probe in self.running)

    @rule(seconds=st.sampled_from([0.05, 0.1, 1.0, 3.0, 30.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.world.now += seconds

    @invariant()
    def says_whether_it_is_open(self) -> None:
        assert self.breaker.is_open == (self.failures >= 5)

    @rule()
    def begin(self) -> None:
        is_open = self.failures >= 5
        attempt = self.breaker.attempt()
        if is_open and (self.is_probing or self.world.now < self.next_try):
            with pytest.raises(StoreUnavailable, match=UNTRIED):
                attempt.__enter__()
        else:
            attempt.__enter__()
            self.running.append((attempt, is_open))

    @precondition(lambda self: self.running)
    @rule(data=st.data(), end=st.sampled_from(End), fraction=fractions)
    def end(self, data: st.DataObject, end: End, fraction: float) -> None:
        number = data.draw(st.integers(0, len(self.running) - 1))
        attempt, is_probe = self.running.pop(number)
        self.world.fraction = fraction
        if end is End.INTERRUPTION:
            assert not attempt.__exit__(KeyError, KeyError(), None)
        elif end is End.FAILURE:
            assert not attempt.__exit__(StoreUnavailable, REFUSED, None)
            self.count_failure(is_probe=is_probe)
        else:
            attempt.__exit__(None, None, None)
            self.failures = 0

    def count_failure(self, *, is_probe: bool) -> None:
        if self.failures >= 5 and not is_probe:
            return
        if self.failures == 0:
            self.began = self.world.now
        self.failures += 1
        if self.failures >= 5:
            ceiling = CEILINGS[min(self.failures - 5, len(CEILINGS) - 1)]
            if self.world.now < self.began + 60:
                ceiling = min(ceiling, 2.5)
            self.next_try = self.world.now + max(0.1, self.world.fraction * ceiling)


TestAttempts = Attempts.TestCase


# A real server


@pytest.fixture(scope="module")
def mortal_server() -> Iterator[PostgresServer]:
    """A server that a test may stop; each leaves it running."""
    with open_server() as server:
        yield server


def is_refused_untried(store: PostgresStore) -> bool:
    with pytest.raises(StoreUnavailable) as caught:
        store.check()
    assert caught.value.reason is Reason.UNREACHABLE
    return UNTRIED in str(caught.value)


def adds(store: PostgresStore, order: Order) -> bool:
    with suppress(StoreUnavailable):
        return store.add([order]) == (Outcome.CREATED,)
    return False


def test_a_stopped_server_is_left_alone_and_used_again_within_5_seconds_of_its_start(
    mortal_server: PostgresServer,
) -> None:
    database = mortal_server.new_database()
    with closing(database.store()) as store:
        store.check()
        mortal_server.stop()
        try:
            # Long enough for the waits to grow.
            tried = 0
            while tried < 11:
                tried += not is_refused_untried(store)
            wait_until(lambda: is_refused_untried(store))
            assert store.breaker_open
        finally:
            mortal_server.start()
        wait_until(lambda: adds(store, Order("A", 1)), seconds=5)
        assert not store.breaker_open
