"""The check of a store: it proves that orders can be added, without adding one."""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from orders_core import Order, OrderId, Outcome, Reason, StoreUnavailable
from orders_postgres import PostgresStore
from orders_postgres.session_settings import Limits
from tests.pgbouncer import PoolMode, open_pooler
from tests.postgres_server import (
    SERVICE,
    OrdersDatabase,
    PostgresServer,
    open_standby,
    wait_until,
)

WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


def problem(store: PostgresStore) -> StoreUnavailable:
    with pytest.raises(StoreUnavailable) as caught:
        store.check()
    return caught.value


@contextmanager
def altered(server: PostgresServer, setting: str, value: str) -> Iterator[None]:
    server.run(f"ALTER SYSTEM SET {setting} = {value}")
    server.reload()
    try:
        yield
    finally:
        server.run(f"ALTER SYSTEM RESET {setting}")
        server.reload()


def test_a_check_adds_no_order_and_changes_no_table(
    orders_database: OrdersDatabase,
    postgres_store: PostgresStore,
) -> None:
    size = "SELECT pg_relation_size('orders'), (SELECT sum(xmin::text::bigint) FROM orders_totals)"
    before = orders_database.run(size)
    for _ in range(3):
        postgres_store.check()
    assert orders_database.run(size) == before


def test_a_check_flushes_a_transaction_that_writes(
    orders_database: OrdersDatabase,
    postgres_store: PostgresStore,
) -> None:
    postgres_store.check()
    flushed = "SELECT pg_current_wal_flush_lsn() - '0/0'"
    ((before,),) = orders_database.run(flushed)
    postgres_store.check()
    ((after,),) = orders_database.run(flushed)
    assert after > before


def test_a_standby_is_read_only(own_server: PostgresServer) -> None:
    database = own_server.new_database()
    with open_standby(own_server) as standby:
        there = OrdersDatabase(standby, database.name)
        wait_until(lambda: standby.run("SELECT pg_is_in_recovery()") == [[True]])
        wait_until(lambda: [database.name] in standby.run("SELECT datname FROM pg_database"))
        with closing(there.store()) as store:
            assert problem(store).reason is Reason.READ_ONLY
            assert store.get([OrderId("A")]) == [None]
    own_server.run("ALTER SYSTEM RESET synchronous_standby_names")
    own_server.reload()


def test_a_server_that_becomes_read_only_is_reported_and_its_connection_closed(
    own_server: PostgresServer,
) -> None:
    database = own_server.new_database()
    with closing(database.store()) as store:
        store.check()
        before = database.sessions()
        with altered(own_server, "default_transaction_read_only", "on"):
            error = problem(store)
            assert error.reason is Reason.READ_ONLY
            assert "default_transaction_read_only" in str(error)
            wait_until(lambda: database.sessions() == [])
        store.check()
        assert not set(before) & set(database.sessions())


def test_a_connection_to_a_read_only_server_is_closed(
    own_server: PostgresServer,
) -> None:
    database = own_server.new_database()
    with closing(database.store()) as store:
        store.check()
        with altered(own_server, "default_transaction_read_only", "on"):
            with pytest.raises(StoreUnavailable) as caught:
                store.add([Order("A", 1)])
            assert caught.value.reason is Reason.READ_ONLY
            wait_until(lambda: database.sessions() == [])
        assert store.add([Order("A", 1)]) == (Outcome.CREATED,)


@pytest.mark.parametrize("whose", [f"ROLE {SERVICE}", "DATABASE {name}"])
def test_a_role_or_database_that_becomes_read_only_is_reported_while_open_sessions_can_still_write(
    orders_database: OrdersDatabase,
    whose: str,
) -> None:
    target = whose.format(name=orders_database.name)
    server = orders_database.server
    with closing(orders_database.store(limits=Limits(check_age=0))) as store:
        store.check()
        server.run(f"ALTER {target} SET default_transaction_read_only = on")
        try:
            assert problem(store).reason is Reason.READ_ONLY
        finally:
            server.run(f"ALTER {target} RESET default_transaction_read_only")
        store.check()


@pytest.mark.parametrize("checks", [1, 2])
def test_each_check_reads_the_schema_version_once(
    orders_database: OrdersDatabase,
    checks: int,
) -> None:
    orders_database.run(f"ALTER DATABASE {orders_database.name} SET log_min_duration_statement = 0")
    log = orders_database.server.folder / "log"
    before = log.stat().st_size
    with closing(orders_database.store()) as store:
        for _ in range(checks):
            store.check()
    executed = re.findall(
        rb"execute \S+ SELECT .* FROM orders_schema$", log.read_bytes()[before:], re.MULTILINE
    )
    assert len(executed) == checks


@pytest.mark.parametrize("revoked", ["INSERT", "SELECT"])
def test_a_missing_privilege_is_reported_with_what_to_grant(
    orders_database: OrdersDatabase,
    postgres_store: PostgresStore,
    revoked: str,
) -> None:
    postgres_store.check()
    orders_database.run(f"REVOKE {revoked} ON orders FROM {SERVICE}")
    error = problem(postgres_store)
    assert error.reason is Reason.REFUSED
    if revoked == "INSERT":
        assert f'GRANT SELECT, INSERT ON orders TO "{SERVICE}"' in str(error)
    orders_database.run(f"GRANT {revoked} ON orders TO {SERVICE}")
    postgres_store.check()


def test_privileges_on_the_columns_suffice(
    orders_database: OrdersDatabase,
    postgres_store: PostgresStore,
) -> None:
    orders_database.run(
        f"REVOKE INSERT ON orders FROM {SERVICE}; GRANT INSERT (id, amount) ON orders TO {SERVICE}"
    )
    postgres_store.check()
    assert postgres_store.add([Order("A", 1)]) == (Outcome.CREATED,)


def test_an_unconfirmed_commit_is_reported_and_leaves_no_session_waiting(
    own_server: PostgresServer,
) -> None:
    limits = Limits(statement=0.5, socket=60)
    database = own_server.new_database()
    with (
        altered(own_server, "synchronous_standby_names", "'nobody'"),
        closing(database.store(limits=limits)) as store,
    ):
        error = problem(store)
        assert error.reason is Reason.TIMEOUT
        assert "no synchronous standby confirmed the commit" in str(error)
        assert database.run(WAITING) == ()


def test_a_full_disk_is_exhaustion(
    orders_database: OrdersDatabase,
    postgres_store: PostgresStore,
) -> None:
    orders_database.run(f"ALTER ROLE {SERVICE} SET temp_file_limit = '64kB'")
    try:
        assert problem(postgres_store).reason is Reason.EXHAUSTED
    finally:
        orders_database.run(f"ALTER ROLE {SERVICE} RESET temp_file_limit")


@pytest.mark.parametrize("mode", [PoolMode.SESSION, PoolMode.TRANSACTION])
def test_a_check_works_through_a_pooler(own_server: PostgresServer, mode: PoolMode) -> None:
    database = own_server.new_database()
    with (
        open_pooler(own_server, mode) as pooler,
        closing(PostgresStore(pooler.before(database.url()))) as store,
    ):
        store.check()
        with altered(own_server, "default_transaction_read_only", "on"):
            assert problem(store).reason is Reason.READ_ONLY
        store.check()
        database.run(f"REVOKE INSERT ON orders FROM {SERVICE}")
        assert problem(store).reason is Reason.REFUSED
