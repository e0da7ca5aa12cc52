"""Migrations: each is applied once, by one process at a time."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import chain, count

import pytest

from orders_core import Order, Outcome, Reason, StoreUnavailable
from orders_postgres import SCHEMA_VERSION, PostgresStore, migrate
from orders_postgres.schema import migrations
from tests.postgres_server import OWNER, SERVICE, OrdersDatabase, PostgresServer

NAMES = count(1)
FILES = tuple(migration.name for migration in migrations())


@pytest.fixture
def empty_database(postgres_server: PostgresServer) -> Iterator[OrdersDatabase]:
    """A database without tables."""
    database = postgres_server.create_database(f"empty_{next(NAMES)}")
    try:
        yield database
    finally:
        database.drop()


def schema_failure(database: OrdersDatabase) -> StoreUnavailable:
    with closing(database.store()) as store, pytest.raises(StoreUnavailable) as caught:
        store.check()
    return caught.value


def test_this_release_needs_its_last_migration() -> None:
    assert [migration.version for migration in migrations()] == [*range(1, SCHEMA_VERSION + 1)]


def test_the_second_run_applies_nothing(empty_database: OrdersDatabase) -> None:
    assert migrate(empty_database.owner_url()) == FILES
    assert migrate(empty_database.owner_url()) == ()
    recorded = empty_database.run("SELECT version, name FROM orders_schema ORDER BY 1")
    assert recorded == [[number, name] for number, name in enumerate(FILES, start=1)]


def test_the_service_works_with_the_granted_privileges(
    empty_database: OrdersDatabase,
) -> None:
    migrate(empty_database.owner_url())
    assert schema_failure(empty_database).reason is Reason.REFUSED
    assert migrate(empty_database.owner_url(), SERVICE) == ()
    with closing(empty_database.store()) as store:
        assert store.add([Order("A", 1)]) == (Outcome.CREATED,)


def test_the_role_gets_select_and_insert_and_no_more(orders_database: OrdersDatabase) -> None:
    rows = orders_database.run(
        "SELECT table_name, privilege_type FROM information_schema.role_table_grants "
        "WHERE grantee = :service ORDER BY 1, 2",
        service=SERVICE,
    )
    assert rows == [
        ["orders", "INSERT"],
        ["orders", "SELECT"],
        ["orders_schema", "SELECT"],
        ["orders_totals", "SELECT"],
    ]


def test_a_role_of_any_name_can_be_granted(empty_database: OrdersDatabase) -> None:
    role = 'odd "role"; DROP TABLE orders'
    quoted = '"' + role.replace('"', '""') + '"'
    empty_database.run(f"CREATE ROLE {quoted}")
    try:
        migrate(empty_database.owner_url(), role)
        granted = empty_database.run(
            "SELECT DISTINCT grantee FROM information_schema.role_table_grants "
            "WHERE table_name = 'orders' AND grantee <> :owner",
            owner=OWNER,
        )
        assert granted == [[role]]
    finally:
        empty_database.run(f"DROP OWNED BY {quoted}; DROP ROLE {quoted}")


def test_a_role_that_does_not_exist_is_named(empty_database: OrdersDatabase) -> None:
    with pytest.raises(StoreUnavailable, match="the role 'nobody-at-all' does not exist") as caught:
        migrate(empty_database.owner_url(), "nobody-at-all")
    assert caught.value.reason is Reason.REFUSED


def test_concurrent_runs_apply_each_migration_once(
    empty_database: OrdersDatabase,
) -> None:
    with ThreadPoolExecutor(6) as threads:
        applied = list(
            threads.map(lambda _: migrate(empty_database.owner_url(), SERVICE), range(6)),
        )
    # Concurrent runs may share the work.
    assert sorted(chain.from_iterable(applied)) == [*FILES]
    assert migrate(empty_database.owner_url()) == ()


def test_a_migration_that_fails_leaves_nothing_behind(empty_database: OrdersDatabase) -> None:
    empty_database.run("CREATE TABLE orders (something_else int)")
    with pytest.raises(StoreUnavailable, match="already exists"):
        migrate(empty_database.owner_url())
    assert empty_database.run("SELECT to_regclass('orders_schema')") == [[None]]
    empty_database.run("DROP TABLE orders")
    assert migrate(empty_database.owner_url()) == FILES


def refusal(database: OrdersDatabase, grant_to: str | None = None) -> str:
    """Migrate as the service's role, which owns nothing; return the reason for the refusal."""
    with pytest.raises(StoreUnavailable) as caught:
        migrate(database.url(), grant_to)
    assert caught.value.reason is Reason.REFUSED
    return str(caught.value)


def granted(database: OrdersDatabase, message: str) -> None:
    """Run, as the superuser, the first statement that a message suggests."""
    grant = message[message.index("GRANT ") :].partition(", or ")[0]
    database.run(grant)


def test_a_role_that_may_not_create_tables_learns_what_to_grant(
    empty_database: OrdersDatabase,
) -> None:
    message = refusal(empty_database)
    assert f'ALTER DATABASE "{empty_database.name}" OWNER TO "{SERVICE}"' in message
    assert empty_database.run("SELECT to_regclass('orders')") == [[None]]
    granted(empty_database, message)
    assert migrate(empty_database.url()) == FILES


def test_a_role_that_may_use_no_schema_learns_what_to_grant(empty_database: OrdersDatabase) -> None:
    empty_database.run("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    granted(empty_database, refusal(empty_database))
    assert migrate(empty_database.url()) == FILES


def test_a_role_that_does_not_own_the_tables_learns_the_owner(
    orders_database: OrdersDatabase,
) -> None:
    # It may read that no migration is missing.
    assert migrate(orders_database.url()) == ()
    orders_database.run("DELETE FROM orders_schema WHERE version = 3")
    orders_database.run("DELETE FROM orders_totals WHERE part = -1")
    for message in (refusal(orders_database), refusal(orders_database, SERVICE)):
        assert f"the tables belong to the role {OWNER}" in message
        assert f'GRANT "{OWNER}" TO "{SERVICE}"' in message
    orders_database.run(f"REVOKE ALL ON orders_schema FROM {SERVICE}")
    granted(orders_database, refusal(orders_database))
    try:
        assert migrate(orders_database.url()) == FILES[2:]
    finally:
        orders_database.run(f"REVOKE {OWNER} FROM {SERVICE}")


def test_a_role_that_does_not_own_the_tables_cannot_grant(orders_database: OrdersDatabase) -> None:
    assert f"the tables belong to the role {OWNER}" in refusal(orders_database, SERVICE)


def test_a_missing_schema_is_named(empty_database: OrdersDatabase) -> None:
    error = schema_failure(empty_database)
    assert error.reason is Reason.SCHEMA
    assert "orders_schema" in str(error)


def test_an_older_schema_asks_for_the_migrations(orders_database: OrdersDatabase) -> None:
    orders_database.run("DELETE FROM orders_schema")
    error = schema_failure(orders_database)
    assert error.reason is Reason.SCHEMA
    assert "the schema has version 0, this release needs 3: run the migrations" in str(error)
    assert f"(missing: {', '.join(FILES)})" in str(error)


def test_a_newer_schema_serves_this_release_too(orders_database: OrdersDatabase) -> None:
    orders_database.run("INSERT INTO orders_schema VALUES (1000, 'from the future')")
    with closing(orders_database.store()) as store:
        store.check()
        assert store.add([Order("A", 1)]) == (Outcome.CREATED,)


def test_a_newer_schema_needs_no_migration(orders_database: OrdersDatabase) -> None:
    orders_database.run("INSERT INTO orders_schema VALUES (1000, 'from the future')")
    assert migrate(orders_database.owner_url(), SERVICE) == ()


def test_a_running_store_keeps_working_while_the_schema_is_updated(
    orders_database: OrdersDatabase,
    postgres_store: PostgresStore,
) -> None:
    postgres_store.check()
    orders_database.run(
        "ALTER TABLE orders ADD COLUMN note text; "
        "INSERT INTO orders_schema VALUES (1000, 'from the future')",
    )
    postgres_store.check()
    assert postgres_store.add([Order("A", 1)]) == (Outcome.CREATED,)


def test_a_running_store_notices_an_older_schema(
    orders_database: OrdersDatabase,
    postgres_store: PostgresStore,
) -> None:
    postgres_store.check()
    orders_database.run("DELETE FROM orders_schema")
    with pytest.raises(StoreUnavailable) as caught:
        postgres_store.check()
    assert caught.value.reason is Reason.SCHEMA


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_cannot_hold_every_id_is_refused(
    postgres_server: PostgresServer,
    encoding: str,
) -> None:
    database = postgres_server.create_database(
        f"empty_{next(NAMES)}",
        f"ENCODING '{encoding}' LOCALE 'C'",
    )
    try:
        with pytest.raises(StoreUnavailable, match=f"encoding is {encoding}") as caught:
            migrate(database.owner_url())
        assert caught.value.reason is Reason.SCHEMA
        assert f"encoding is {encoding}" in str(schema_failure(database))
    finally:
        database.drop()
