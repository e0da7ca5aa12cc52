"""The pool: few connections, each lent to one thread at a time, kept only while reusable."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from threading import Barrier

import pytest
from attrs import define

from orders_core import Reason, StoreUnavailable
from orders_postgres.connection import Connection
from orders_postgres.open_connection import connect
from orders_postgres.pool import Pool
from tests.postgres_server import OrdersDatabase, wait_until

PID = "SELECT pg_backend_pid()"


@define
class Opened:
    """Opens connections and counts them."""

    database: OrdersDatabase
    number: int = 0

    def __call__(self) -> Connection:
        """Open one."""
        self.number += 1
        return connect(self.database.url())


@pytest.fixture
def opened(orders_database: OrdersDatabase) -> Opened:
    return Opened(orders_database)


@pytest.fixture
def pool(opened: Opened) -> Iterator[Pool]:
    with closing(Pool(opened, size=2)) as pool:
        yield pool


def pid_of(pool: Pool) -> int:
    with pool.connection() as connection:
        return pid(connection)


def pid(connection: Connection) -> int:
    ((number,),) = connection.run(PID)
    return int(number)


def test_connections_are_opened_on_demand(opened: Opened, pool: Pool) -> None:
    assert opened.number == 0
    pid_of(pool)
    assert opened.number == 1


def test_the_connection_returned_last_is_lent_first(pool: Pool) -> None:
    with pool.connection() as first:
        with pool.connection() as second:
            pass
        assert pid_of(pool) == pid(second)
    assert pid_of(pool) == pid(first)


def test_after_a_renewal_earlier_connections_are_not_used(opened: Opened, pool: Pool) -> None:
    with pool.connection() as lent:
        idle, before = pid_of(pool), pid(lent)
        pool.renew()
        # A lent connection stays usable until it is returned.
        assert pid(lent) == before
        after = pid_of(pool)
        assert after not in {idle, before}
    assert pid_of(pool) == after
    wait_until(lambda: opened.database.sessions() == [after])


def test_a_connection_opened_during_a_renewal_is_used_once(opened: Opened) -> None:
    def renewing() -> Connection:
        if opened.number == 0:
            small.renew()
        return opened()

    with closing(Pool(renewing, size=1)) as small:
        first = pid_of(small)
        second = pid_of(small)
        assert first != second
        assert pid_of(small) == second


def test_if_all_connections_are_lent_the_next_caller_waits_and_then_fails(pool: Pool) -> None:
    told = pytest.raises(StoreUnavailable, match="all 2 connections")
    with pool.connection(), pool.connection(), told as caught:
        pid_of(pool)
    assert caught.value.reason is Reason.POOL
    pid_of(pool)


def test_no_connection_is_lent_twice_at_once(opened: Opened) -> None:
    barrier = Barrier(4)

    def lend(lender: Pool) -> int:
        with lender.connection() as connection:
            barrier.wait()
            return pid(connection)

    with closing(Pool(opened, size=4)) as pool, ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(lend, [pool] * 4))) == 4


def test_an_expired_connection_is_replaced(opened: Opened) -> None:
    with closing(Pool(opened, max_age_seconds=0)) as pool:
        assert pid_of(pool) != pid_of(pool)
        wait_until(lambda: len(opened.database.sessions()) == 1)


def test_a_connection_that_the_server_closed_while_idle_is_replaced(
    opened: Opened,
    pool: Pool,
) -> None:
    ended = pid_of(pool)
    opened.database.end_sessions()
    assert pid_of(pool) != ended


def test_a_failed_connect_frees_its_slot(opened: Opened, pool: Pool) -> None:
    opened.database.server.run(f"ALTER DATABASE {opened.database.name} CONNECTION LIMIT 0")
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="53300"):
            pid_of(pool)
    opened.database.server.run(f"ALTER DATABASE {opened.database.name} CONNECTION LIMIT -1")
    pid_of(pool)


def refuse_connections(opened: Opened, pool: Pool) -> None:
    """Let connects fail until a call is refused without one."""
    opened.database.run(f"ALTER DATABASE {opened.database.name} CONNECTION LIMIT 0")

    def is_refused_without_opening() -> bool:
        before = opened.number
        with pytest.raises(StoreUnavailable, match="53300") as caught:
            pid_of(pool)
        return "not retried yet" in str(caught.value) and opened.number == before

    wait_until(is_refused_without_opening)


def test_after_repeated_failed_connects_calls_are_refused_without_another(
    opened: Opened,
    pool: Pool,
) -> None:
    refuse_connections(opened, pool)
    assert opened.number >= 5
    opened.database.run(f"ALTER DATABASE {opened.database.name} CONNECTION LIMIT -1")

    def lends() -> bool:
        with suppress(StoreUnavailable):
            return pid_of(pool) > 0
        return False

    wait_until(lends, seconds=5)


def test_open_connections_are_lent_even_if_no_other_can_be_opened(
    opened: Opened,
    pool: Pool,
) -> None:
    with pool.connection() as connection:
        refuse_connections(opened, pool)
        before = pid(connection)
    assert pid_of(pool) == before


def break_a_statement(connection: Connection) -> None:
    connection.script("SELECT nonsense")


def break_a_transaction(connection: Connection) -> None:
    with connection.transaction():
        connection.run("SELECT nonsense")


def lose_step(connection: Connection) -> None:
    connection.run("SELECT $1::text", "\ud800")


@pytest.mark.parametrize("spoil", [break_a_statement, break_a_transaction, lose_step])
def test_a_connection_in_an_unknown_state_is_closed_with_all_idle_ones(
    opened: Opened,
    pool: Pool,
    spoil: Callable[[Connection], None],
) -> None:
    with pool.connection() as first, pool.connection():
        spoilt = pid(first)
    with pytest.raises(StoreUnavailable), pool.connection() as connection:
        spoil(connection)
    assert pid_of(pool) != spoilt
    assert opened.number == 3
    wait_until(lambda: len(opened.database.sessions()) == 1)


def test_rows_of_one_query_never_reach_another(pool: Pool) -> None:
    with pytest.raises(StoreUnavailable), pool.connection() as connection:
        lose_step(connection)
    with pool.connection() as connection:
        assert connection.run("SELECT $1::text", "mine") == [["mine"]]


def test_an_exception_from_elsewhere_keeps_the_connection(pool: Pool) -> None:
    before = pid_of(pool)
    interrupted = pytest.raises(KeyboardInterrupt)
    with interrupted, pool.connection() as connection, connection.transaction():
        raise KeyboardInterrupt
    assert pid_of(pool) == before


def test_an_early_rollback_commits_nothing_and_keeps_the_connection(
    opened: Opened,
    pool: Pool,
) -> None:
    with pool.connection() as connection, connection.transaction():
        connection.run("INSERT INTO orders VALUES ($1, $2)", "A", 1)
        connection.rollback()
    assert opened.database.run("SELECT * FROM orders") == ()
    pid_of(pool)
    assert opened.number == 1


def test_an_exception_after_an_early_rollback_is_raised_unchanged(pool: Pool) -> None:
    def undo_and_fail(connection: Connection) -> None:
        with connection.transaction():
            connection.rollback()
            raise KeyError

    with pool.connection() as connection:
        with pytest.raises(KeyError):
            undo_and_fail(connection)
        assert connection.reusable


def test_closing_ends_every_session(opened: Opened, pool: Pool) -> None:
    with pool.connection():
        pid_of(pool)
        pool.close()
        wait_until(lambda: len(opened.database.sessions()) == 1)
    wait_until(lambda: not opened.database.sessions())


def test_a_closed_pool_lends_nothing(pool: Pool) -> None:
    pool.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        pid_of(pool)
