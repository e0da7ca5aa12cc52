"""PgBouncer in front of the server: what works through it, and what is refused with a reason.

The contract tests of every store run through it too.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from attrs import evolve

from orders_core import Order, Outcome, Reason, StoreUnavailable
from orders_postgres import Host, PostgresStore, inspect, migrate
from orders_postgres.open_connection import connect
from tests.pgbouncer import Pooler, PoolMode, open_pooler, pgbouncer_programs
from tests.postgres.proxy import open_proxy
from tests.postgres_server import HOST, OWNER, SERVICE, OrdersDatabase, PostgresServer

LIMITS = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
SETTINGS = "SELECT {} FROM (VALUES (1)) AS one"
ONE_SESSION = {"default_pool_size": "1"}


@pytest.fixture(params=pgbouncer_programs(), ids=lambda program: program.parts[1])
def program(request: pytest.FixtureRequest) -> Path:
    """Each installed PgBouncer."""
    path: Path = request.param
    return path


@pytest.fixture(params=[PoolMode.SESSION, PoolMode.TRANSACTION])
def pooler(
    request: pytest.FixtureRequest,
    postgres_server: PostgresServer,
    program: Path,
) -> Iterator[Pooler]:
    """Each of them, in each supported mode."""
    with open_pooler(postgres_server, request.param, program) as pooler:
        yield pooler


def refusal(store: PostgresStore) -> StoreUnavailable:
    with closing(store), pytest.raises(StoreUnavailable) as caught:
        store.check()
    return caught.value


def test_a_database_is_migrated_and_used_through_it(
    pooler: Pooler,
    postgres_server: PostgresServer,
) -> None:
    database = postgres_server.create_database("pooled")
    try:
        owner = pooler.before(database.url(OWNER))
        assert migrate(owner, SERVICE) != ()
        assert migrate(owner, SERVICE) == ()
        with closing(PostgresStore(pooler.before(database.url()))) as store:
            store.check()
            assert store.add([Order("A", 1)]) == (Outcome.CREATED,)
            assert store.load([("B", "1")])
            assert not store.load([("B", "1")])
            assert store.totals().count == 2
    finally:
        database.drop()


def test_the_limits_of_the_design_hold_in_every_transaction(
    pooler: Pooler,
    orders_database: OrdersDatabase,
) -> None:
    columns = ", ".join(f"current_setting('{name}')" for name in LIMITS)
    statement = SETTINGS.format(columns)
    wanted = [["1s", "2s", "5s"]]
    with closing(connect(pooler.before(orders_database.url()))) as connection:
        assert connection.run(statement) == wanted
        with connection.transaction():
            assert connection.run(statement) == wanted
        with pytest.raises(StoreUnavailable) as caught:
            connection.run("SELECT 1 FROM pg_sleep(10)")
        assert caught.value.reason is Reason.TIMEOUT


def test_settings_do_not_leak_into_sessions_of_other_clients(
    postgres_server: PostgresServer,
    orders_database: OrdersDatabase,
    program: Path,
) -> None:
    others = "SELECT " + ", ".join(f"current_setting('{name}') AS {name}" for name in LIMITS)
    with open_pooler(postgres_server, PoolMode.TRANSACTION, program, **ONE_SESSION) as pooler:
        url = pooler.before(orders_database.url())
        with closing(PostgresStore(url)) as store, closing(connect(url)) as other:
            store.check()
            store.add([Order("A", 1), Order("B", 1)], atomic=True)
            assert not store.load([("A", "1")])
            # Like another client: without our settings before it.
            other.script_alone(f"DO $$ BEGIN CREATE TEMP TABLE found AS {others}; END $$")
            assert other.run("SELECT * FROM found") == [["0", "0", "0"]]
            assert other.run("SELECT * FROM pg_prepared_statements") == ()


def test_many_threads_share_few_sessions_and_each_order_is_stored_once(
    postgres_server: PostgresServer,
    orders_database: OrdersDatabase,
    program: Path,
) -> None:
    def add(number: int) -> Outcome:
        (outcome,) = store.add([Order(f"{number % 50}", 1)])
        return outcome

    with open_pooler(
        postgres_server, PoolMode.TRANSACTION, program, default_pool_size="2"
    ) as pooler:
        url = pooler.before(orders_database.url())
        with (
            closing(PostgresStore(url, acquire_seconds=30)) as store,
            ThreadPoolExecutor(8) as threads,
        ):
            outcomes = list(threads.map(add, range(200)))
    assert outcomes.count(Outcome.CREATED) == 50
    assert outcomes.count(Outcome.REPLAYED) == 150


def test_statement_pooling_is_refused_with_the_setting_to_change(
    postgres_server: PostgresServer,
    orders_database: OrdersDatabase,
    program: Path,
) -> None:
    with open_pooler(postgres_server, PoolMode.STATEMENT, program) as pooler:
        error = refusal(PostgresStore(pooler.before(orders_database.url())))
    assert error.reason is Reason.REFUSED
    assert "statement pooling mode" in str(error)
    assert "set pool_mode = session or transaction" in str(error)


def test_a_pooler_that_is_lost_while_its_mode_is_detected_is_unreachable(
    pooler: Pooler,
    orders_database: OrdersDatabase,
) -> None:
    with open_proxy(pooler.port) as proxy:
        proxy.cut_before = b"BEGIN"
        url = evolve(pooler.before(orders_database.url()), hosts=(Host(HOST, proxy.port),))
        with pytest.raises(StoreUnavailable) as caught:
            connect(url)
    assert caught.value.reason is Reason.UNREACHABLE
    assert proxy.cuts == 1


def test_another_default_isolation_is_refused_with_the_setting_to_change(
    pooler: Pooler,
    orders_database: OrdersDatabase,
) -> None:
    setting = f"ALTER DATABASE {orders_database.name} SET default_transaction_isolation"
    orders_database.run(f"{setting} = serializable")
    error = refusal(PostgresStore(pooler.before(orders_database.url())))
    assert error.reason is Reason.REFUSED
    assert f"ALTER ROLE \"{SERVICE}\" SET default_transaction_isolation = 'read committed'" in str(
        error
    )


def test_a_parameter_that_the_pooler_refuses_is_named(
    pooler: Pooler,
    orders_database: OrdersDatabase,
) -> None:
    url = evolve(pooler.before(orders_database.url()), options="-c geqo=off")
    assert "options" in str(refusal(PostgresStore(url)))


def test_the_pooler_is_reported(pooler: Pooler, orders_database: OrdersDatabase) -> None:
    (note,) = inspect(pooler.before(orders_database.url())).notes
    assert note.startswith("a pooler answers: ")
    assert inspect(orders_database.url()).notes == ()


def test_the_last_message_of_a_pooler_that_disconnects_is_reported(
    postgres_server: PostgresServer,
    orders_database: OrdersDatabase,
) -> None:
    with open_pooler(postgres_server, PoolMode.SESSION, query_timeout="1") as pooler:
        url = pooler.before(orders_database.url())
        with closing(connect(url)) as connection, pytest.raises(StoreUnavailable) as caught:
            connection.run("SELECT 1 FROM pg_sleep(1.9)")
    assert caught.value.reason is Reason.UNREACHABLE
    assert "query timeout" in str(caught.value)
