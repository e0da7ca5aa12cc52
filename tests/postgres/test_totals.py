"""The totals in PostgreSQL: triggers keep them correct, whoever changes the orders and however."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from decimal import Decimal
from itertools import count
from threading import Event

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orders_core import Order, Outcome, Reason, StoreUnavailable, Totals
from orders_postgres import migrate
from orders_postgres.errors import Duplicate
from orders_postgres.open_connection import connect
from orders_postgres.schema import migrations
from orders_postgres.session_settings import Limits
from tests.postgres_server import OWNER, SERVICE, OrdersDatabase, PostgresServer, wait_until

COUNTED = "SELECT count(*), coalesce(sum(amount), 0.00) FROM orders"
KEPT = "SELECT sum(count)::bigint, sum(amount) FROM orders_totals"
NAMES = count(1)


@pytest.fixture
def early_database(postgres_server: PostgresServer) -> Iterator[OrdersDatabase]:
    """A database of the release before the totals, with the privileges of the service's role."""
    database = postgres_server.create_database(f"early_{next(NAMES)}")
    first = migrations()[0]
    with closing(connect(database.owner_url())) as connection:
        connection.script(first.sql)
        connection.run(
            "INSERT INTO orders_schema (version, name) VALUES ($1, $2)", first.version, first.name
        )
        connection.script(f"GRANT SELECT, INSERT ON orders TO {SERVICE}")
        connection.script(f"GRANT SELECT ON orders_schema TO {SERVICE}")
    try:
        yield database
    finally:
        database.drop()


def assert_totals_are_true(database: OrdersDatabase) -> None:
    assert database.run(KEPT) == database.run(COUNTED)


CHANGES = [
    "INSERT INTO orders SELECT g::text, g FROM generate_series(1, 5) AS g ON CONFLICT DO NOTHING",
    "INSERT INTO orders SELECT g::text, 1 FROM generate_series(4, 9) AS g ON CONFLICT DO NOTHING",
    (
        "INSERT INTO orders SELECT g::text, 1 FROM generate_series(1, 9) AS g "
        "ON CONFLICT (id) DO UPDATE SET amount = orders.amount + excluded.amount"
    ),
    (
        "MERGE INTO orders USING generate_series(3, 12) AS g ON id = g::text "
        "WHEN MATCHED AND g < 6 THEN DELETE WHEN MATCHED THEN UPDATE SET amount = 0.07 "
        "WHEN NOT MATCHED THEN INSERT VALUES (g::text, 2.50)"
    ),
    "UPDATE orders SET amount = amount + 1.01 WHERE id < '5'",
    "UPDATE orders SET id = id || 'x', amount = 3 WHERE id = '2'",
    "UPDATE orders SET amount = 1 WHERE false",
    "DELETE FROM orders WHERE id > '6'",
    "DELETE FROM orders",
    "TRUNCATE orders",
    (
        "WITH gone AS (DELETE FROM orders WHERE id < '4' RETURNING *) "
        "INSERT INTO orders SELECT id || 'y', amount FROM gone"
    ),
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(changes=st.lists(st.tuples(st.sampled_from(CHANGES), st.booleans()), max_size=8))
def test_totals_stay_true_whatever_the_owner_does(
    orders_database: OrdersDatabase,
    changes: list[tuple[str, bool]],
) -> None:
    with closing(connect(orders_database.owner_url())) as connection:
        for change, committed in changes:
            connection.script("BEGIN")
            failed = True
            with suppress(Duplicate):
                connection.script(change)
                failed = False
            connection.script("ROLLBACK" if failed or not committed else "COMMIT")
    assert_totals_are_true(orders_database)


def test_totals_stay_true_within_a_transaction_of_many_changes(
    orders_database: OrdersDatabase,
) -> None:
    orders_database.run("; ".join(["BEGIN", *CHANGES[:7], "SAVEPOINT s", CHANGES[7]]))
    orders_database.run("; ".join(["BEGIN", *CHANGES[:7], "COMMIT"]))
    assert_totals_are_true(orders_database)


def test_a_batch_of_replays_writes_nothing(orders_database: OrdersDatabase) -> None:
    versions = "SELECT part, ctid::text, xmin::text FROM orders_totals ORDER BY part"
    with closing(orders_database.store()) as store:
        store.add([Order("A", 1), Order("B", 2)])
        before = orders_database.run(versions)
        assert store.add([Order("A", 1), Order("B", 3)]) == (Outcome.REPLAYED, Outcome.CONFLICT)
    assert orders_database.run(versions) == before


def test_a_writer_does_not_wait_for_one_that_has_not_committed(
    orders_database: OrdersDatabase,
) -> None:
    with (
        closing(connect(orders_database.owner_url())) as slow,
        closing(orders_database.store()) as store,
    ):
        slow.script("BEGIN; INSERT INTO orders VALUES ('slow', 1)")
        for number in range(10):
            assert store.add([Order(f"{number}", 1)]) == (Outcome.CREATED,)
        assert store.totals() == Totals(10, Decimal(10))
        slow.script("COMMIT")
        assert store.totals() == Totals(11, Decimal(11))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE orders_totals SET count = 0",
        "INSERT INTO orders_totals VALUES (100, 1, 1)",
        "DELETE FROM orders_totals",
        "TRUNCATE orders_totals",
        "ALTER TABLE orders DISABLE TRIGGER ALL",
        "DROP TRIGGER orders_totals_insert ON orders",
        "SELECT orders_totals_follow()",
    ],
)
def test_the_service_may_only_read_the_totals(
    orders_database: OrdersDatabase,
    statement: str,
) -> None:
    with (
        closing(connect(orders_database.url())) as connection,
        pytest.raises(StoreUnavailable, match=r"SQLSTATE (42501|0A000)"),
    ):
        connection.script(statement)


def test_a_temporary_table_cannot_replace_the_totals(orders_database: OrdersDatabase) -> None:
    with closing(connect(orders_database.url())) as connection:
        connection.script(
            "CREATE TEMPORARY TABLE orders_totals (part int, count bigint, amount numeric); "
            "SET search_path = pg_temp, public; INSERT INTO public.orders VALUES ('A', 1)",
        )
    assert orders_database.run(KEPT) == [[1, Decimal("1.00")]]


def test_orders_of_an_earlier_release_are_counted(early_database: OrdersDatabase) -> None:
    early_database.run(CHANGES[0])
    assert migrate(early_database.owner_url()) == tuple(each.name for each in migrations()[1:])
    assert_totals_are_true(early_database)
    with closing(early_database.store()) as store:
        assert store.totals() == Totals(5, Decimal(15))
        store.add([Order("A", 1)])
        assert store.totals() == Totals(6, Decimal(16))


def test_the_missing_migrations_of_the_totals_are_named(
    early_database: OrdersDatabase,
) -> None:
    with closing(early_database.store()) as store, pytest.raises(StoreUnavailable) as caught:
        store.check()
    assert caught.value.reason is Reason.SCHEMA
    assert "0002_totals.sql, 0003_totals_of_earlier_orders.sql" in str(caught.value)


def test_a_role_that_may_read_the_orders_may_read_the_totals_without_a_new_grant(
    early_database: OrdersDatabase,
) -> None:
    early_database.run("GRANT SELECT ON orders TO PUBLIC")
    migrate(early_database.owner_url())
    granted = early_database.run(
        "SELECT DISTINCT grantee FROM information_schema.role_table_grants "
        "WHERE table_name = 'orders_totals' AND privilege_type = 'SELECT' ORDER BY 1",
    )
    assert granted == [["PUBLIC"], [OWNER], [SERVICE]]


def test_orders_added_during_the_migration_are_counted_once(
    early_database: OrdersDatabase,
) -> None:
    early_database.run("INSERT INTO orders SELECT g::text, 1 FROM generate_series(1, 20000) AS g")
    stop = Event()

    with writing(early_database, stop.is_set, threads=3) as written:
        try:
            wait_until(lambda: written() >= 20)
            migrate(early_database.owner_url())
            after = written()
            wait_until(lambda: written() >= after + 20)
        finally:
            stop.set()
    assert early_database.run(COUNTED)[0][0] > 20_040
    assert_totals_are_true(early_database)


@contextmanager
def writing(
    database: OrdersDatabase,
    enough: Callable[[], bool],
    threads: int,
) -> Iterator[Callable[[], int]]:
    """Add orders like the earlier release until `enough`; yield the number added so far."""
    added: list[str] = []

    def write(name: int) -> None:
        # Without limits: CREATE TRIGGER blocks inserts while it runs.
        patient = Limits(lock=None, statement=None, socket=None)
        with closing(connect(database.url(), patient)) as connection:
            for number in count():
                connection.run("INSERT INTO orders VALUES ($1, 0.5)", f"w{name}-{number}")
                added.append("one")
                if enough():
                    return

    with ThreadPoolExecutor(threads) as pool:
        results = [pool.submit(write, name) for name in range(threads)]
        yield lambda: len(added)
        for result in results:
            result.result()
