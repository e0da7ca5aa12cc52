"""Every commit is durable before it is reported, whatever the server's settings are."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest
from attrs import evolve, frozen

from orders_core import AddOrders, Order, OrderId, Outcome, Reason, StoreUnavailable
from orders_postgres import DatabaseUrl, PostgresStore, inspect
from orders_postgres.migrate import LIMITS as MIGRATION_LIMITS
from orders_postgres.open_connection import connect
from orders_postgres.session_settings import Limits
from tests.pgbouncer import PoolMode, open_pooler
from tests.postgres_server import OWNER, SERVICE, OrdersDatabase, PostgresServer, wait_until

WEAK = ("off", "local", "remote_write")
COMMITTED = 200
WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
SLEEPING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"


@frozen
class Way:
    """A database, and the URL of one way to reach it."""

    database: OrdersDatabase
    url: DatabaseUrl


@pytest.fixture(params=["direct", "session", "transaction"])
def way(request: pytest.FixtureRequest, own_server: PostgresServer) -> Iterator[Way]:
    """A database on its own server, reached directly and through each mode of a pooler."""
    database = own_server.new_database()
    with ExitStack() as poolers:
        url = database.url()
        if request.param != "direct":
            pooler = poolers.enter_context(open_pooler(own_server, PoolMode(request.param)))
            url = pooler.before(url)
        yield Way(database, url)
    own_server.run("ALTER SYSTEM RESET ALL")
    own_server.reload()
    database.drop()


def add(store: PostgresStore, orders: Sequence[Order]) -> None:
    store.add(orders)


def add_all_or_none(store: PostgresStore, orders: Sequence[Order]) -> None:
    store.add(orders, atomic=True)


def begin_to_add(store: PostgresStore, orders: Sequence[Order]) -> None:
    pending = store.begin(AddOrders(orders))
    assert pending is not None
    while not pending.proceed():
        pass
    outcomes = pending.results()
    assert outcomes is not None
    assert Outcome.CONFLICT not in outcomes


def load(store: PostgresStore, orders: Sequence[Order]) -> None:
    assert store.load([order.row for order in orders])


def record_commits(database: OrdersDatabase) -> None:
    """Create a trigger that records the `synchronous_commit` of each insert."""
    database.run(
        "CREATE TABLE seen (setting text); GRANT INSERT ON seen TO PUBLIC; "
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$; "
        "CREATE TRIGGER note AFTER INSERT ON orders EXECUTE FUNCTION note()",
    )


def recorded(database: OrdersDatabase) -> list[str]:
    return [setting for (setting,) in database.run("DELETE FROM seen RETURNING setting")]


@pytest.mark.parametrize("write", [add, add_all_or_none, begin_to_add, load])
def test_weaker_durability_set_on_the_server_while_connected_has_no_effect(
    way: Way,
    write: Callable[[PostgresStore, Sequence[Order]], None],
) -> None:
    record_commits(way.database)
    with closing(PostgresStore(way.url, connections=1)) as store:
        write_first = [Order("first-1", 1), Order("first-2", 1)]
        store.add(write_first)
        for number, weak in enumerate(WEAK):
            way.database.server.run(f"ALTER SYSTEM SET synchronous_commit = {weak}")
            way.database.server.reload()
            write(store, [Order(f"{number}-1", 1), Order(f"{number}-2", 1)])
        assert set(recorded(way.database)) == {"on"}
        assert store.totals().count == 2 + 2 * len(WEAK)


@pytest.mark.parametrize("weak", WEAK)
@pytest.mark.parametrize(
    "whose", [f"ROLE {SERVICE}", "DATABASE {name}", f"ROLE {SERVICE} IN DATABASE {{name}}"]
)
def test_weaker_durability_set_on_the_role_or_database_has_no_effect(
    orders_database: OrdersDatabase,
    whose: str,
    weak: str,
) -> None:
    record_commits(orders_database)
    target = whose.format(name=orders_database.name)
    orders_database.run(f"ALTER {target} SET synchronous_commit = {weak}")
    try:
        with closing(orders_database.store()) as store:
            store.add([Order("A", 1)])
            store.add([Order("B", 1), Order("C", 1)], atomic=True)
        assert set(recorded(orders_database)) == {"on"}
    finally:
        orders_database.run(f"ALTER {target} RESET synchronous_commit")


def test_a_stricter_synchronous_commit_is_kept(way: Way) -> None:
    record_commits(way.database)
    way.database.server.run("ALTER SYSTEM SET synchronous_commit = remote_apply")
    way.database.server.reload()
    with closing(PostgresStore(way.url)) as store:
        store.add([Order("A", 1)])
        store.add([Order("B", 1), Order("C", 1)], atomic=True)
    assert set(recorded(way.database)) == {"remote_apply"}


def test_a_migration_commits_durably_too(way: Way) -> None:
    way.database.server.run("ALTER SYSTEM SET synchronous_commit = off")
    way.database.server.reload()
    url = evolve(way.url, user=OWNER)
    with closing(connect(url, MIGRATION_LIMITS)) as connection:
        with connection.transaction():
            connection.script("CREATE TABLE note AS SELECT current_setting('synchronous_commit')")
        connection.script("INSERT INTO note SELECT current_setting('synchronous_commit')")
        assert connection.run("SELECT * FROM note") == [["on"], ["on"]]


def test_acknowledged_orders_survive_a_kill_whatever_durability_the_server_is_set_to(
    way: Way,
) -> None:
    server = way.database.server
    with closing(PostgresStore(way.url, connections=1)) as store:
        store.add([Order("first", 1)])
        # Data that a commit does not flush stays in memory as long as possible.
        server.run("ALTER SYSTEM SET wal_writer_delay = '10s'")
        server.run("ALTER SYSTEM SET synchronous_commit = off")
        server.reload()
        orders = [Order(f"{number}", number) for number in range(COMMITTED)]
        for order in orders:
            assert store.add([order]) == (Outcome.CREATED,)
        server.kill()
    server.start()
    assert len(way.database.orders()) == 1 + COMMITTED


def test_a_commit_that_no_standby_confirmed_is_not_acknowledged(
    own_server: PostgresServer,
) -> None:
    database = own_server.new_database()
    with closing(database.store()) as store:
        store.check()
        own_server.run("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        own_server.reload()
        try:
            pending = store.begin(AddOrders([Order("A", 1)]))
            assert pending is not None
            wait_until(lambda: database.run(WAITING) != [])
            ((waiting,),) = database.run(WAITING)
            database.run("SELECT pg_cancel_backend(CAST(:pid AS integer))", pid=f"{waiting}")
            wait_until(pending.proceed)
            with pytest.raises(StoreUnavailable, match="no synchronous standby") as caught:
                pending.results()
            assert caught.value.reason is Reason.TIMEOUT
        finally:
            own_server.run("ALTER SYSTEM RESET synchronous_standby_names")
            own_server.reload()
        assert store.get([OrderId("A")]) == [Order("A", 1)]


def test_a_server_killed_at_work_is_unreachable(own_server: PostgresServer) -> None:
    database = own_server.new_database()
    patient = Limits(statement=None, socket=60)
    with closing(connect(database.url(), patient)) as connection, ThreadPoolExecutor(1) as thread:
        running = thread.submit(connection.run, "SELECT 1 FROM pg_sleep(50)")
        wait_until(lambda: database.run(SLEEPING) != ())
        own_server.kill()
        error = running.exception()
    own_server.start()
    assert isinstance(error, StoreUnavailable)
    assert error.reason is Reason.UNREACHABLE


@pytest.mark.parametrize("weak", WEAK)
def test_a_weaker_setting_of_the_server_is_reported(
    orders_database: OrdersDatabase,
    weak: str,
) -> None:
    assert inspect(orders_database.url()).notes == ()
    orders_database.run(f"ALTER ROLE {SERVICE} SET synchronous_commit = {weak}")
    try:
        (note,) = inspect(orders_database.url()).notes
    finally:
        orders_database.run(f"ALTER ROLE {SERVICE} RESET synchronous_commit")
    assert f"synchronous_commit is {weak}" in note


def test_a_server_without_fsync_is_reported(own_server: PostgresServer) -> None:
    database = own_server.new_database()
    own_server.run("ALTER SYSTEM SET fsync = off")
    own_server.reload()
    try:
        (note,) = inspect(database.url()).notes
    finally:
        own_server.run("ALTER SYSTEM RESET fsync")
        own_server.reload()
    assert "fsync is off" in note
