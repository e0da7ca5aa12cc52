"""Migrations of a file: in one transaction, once, and never down."""

import multiprocessing
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from orders_core import Order, Reason, StoreUnavailable
from orders_core.migrations import Migration, numbered
from orders_sqlite import Limits, SqliteStore
from orders_sqlite.schema import MIGRATIONS, migrate
from tests.postgres_server import wait_until
from tests.sqlite.first_file import make_first_file

SECOND = """
-- A column that orders may lack; and a trigger, which holds semicolons.
ALTER TABLE orders ADD COLUMN note TEXT;
CREATE TABLE notes (id TEXT) STRICT;
CREATE TRIGGER noted AFTER INSERT ON orders BEGIN
    INSERT INTO notes VALUES (new.id);
    UPDATE notes SET id = id;
END;
-- The end.
"""
FAILING = """
INSERT INTO missing VALUES (1);
"""
ENDLESS = """
CREATE TABLE endless AS
WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers)
SELECT count(*) FROM numbers;
"""


@pytest.fixture
def first_file(path: Path) -> Path:
    """A file of the first version, with two orders."""
    return make_first_file(path)


@pytest.fixture
def two_migrations(tmp_path: Path) -> Sequence[Migration]:
    """The migrations of a future release."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / MIGRATIONS[0].name).write_text(MIGRATIONS[0].sql, "utf-8")
    (folder / "0002_notes.sql").write_text(SECOND, "utf-8")
    return numbered(folder.iterdir())


def version_of(path: Path) -> tuple[int, list[str]]:
    """Read the version of a file, and the columns of its table."""
    with closing(sqlite3.connect(path)) as connection:
        ((version,),) = connection.execute("PRAGMA user_version")
        columns = connection.execute("SELECT name FROM pragma_table_info('orders')")
        return version, [name for (name,) in columns]


OLD = (1, ["id", "amount"])
NEW = (2, ["id", "amount", "note"])


def test_a_new_file_has_the_schema_of_the_first_release(first_file: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.db"
    with closing(SqliteStore(new)) as store:
        store.check()
        assert store.applied_migrations == ["0001_orders.sql"]
    found = []
    for path in (first_file, new):
        with closing(sqlite3.connect(path)) as connection:
            found.append(connection.execute("SELECT type, name, sql FROM sqlite_schema").fetchall())
    assert found[0] == found[1]
    assert version_of(new) == version_of(first_file)


def test_a_file_of_the_first_release_keeps_its_orders(first_file: Path) -> None:
    with closing(SqliteStore(first_file)) as store:
        assert store.page(10) == [Order("a", "12.30"), Order("b", "1.00")]
        assert store.applied_migrations == []


def test_an_older_file_is_migrated_when_it_is_opened_and_keeps_its_orders(
    first_file: Path, two_migrations: Sequence[Migration]
) -> None:
    with closing(SqliteStore(first_file, migrations=two_migrations)) as store:
        assert store.page(10) == [Order("a", "12.30"), Order("b", "1.00")]
        store.add([Order("c", 1)])
        store.check()
        assert store.applied_migrations == ["0002_notes.sql"]
    assert version_of(first_file) == NEW
    with closing(sqlite3.connect(first_file)) as connection:
        assert connection.execute("SELECT id FROM notes").fetchall() == [("c",)]


def test_a_store_that_must_not_migrate_refuses_an_older_file_and_leaves_it_unchanged(
    first_file: Path, two_migrations: Sequence[Migration]
) -> None:
    before = first_file.read_bytes()
    with closing(SqliteStore(first_file, migrations=two_migrations, migrates=False)) as store:
        with pytest.raises(StoreUnavailable, match="version 1; this release needs 2") as caught:
            store.check()
        assert caught.value.reason is Reason.SCHEMA
    assert first_file.read_bytes() == before


def test_a_new_file_gets_every_migration(path: Path, two_migrations: Sequence[Migration]) -> None:
    with closing(SqliteStore(path, migrations=two_migrations)) as store:
        store.check()
        assert store.applied_migrations == ["0001_orders.sql", "0002_notes.sql"]
    assert version_of(path) == NEW


def check(path: Path, migrations: Sequence[Migration]) -> None:
    with closing(SqliteStore(path, migrations=migrations)) as store:
        store.check()


def is_write_locked(path: Path) -> bool:
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        return False


@pytest.mark.parametrize("before", ["", SECOND], ids=["at the start", "at the end"])
def test_a_crash_in_the_middle_leaves_the_old_version_and_the_next_start_migrates(
    first_file: Path, two_migrations: Sequence[Migration], before: str
) -> None:
    hanging = [two_migrations[0], Migration(2, "0002_notes.sql", before + ENDLESS)]
    process = multiprocessing.get_context("spawn").Process(target=check, args=(first_file, hanging))
    process.start()
    wait_until(lambda: is_write_locked(first_file))
    process.kill()
    process.join()
    assert version_of(first_file) == OLD
    with closing(SqliteStore(first_file, migrations=two_migrations)) as store:
        assert store.page(10) == [Order("a", "12.30"), Order("b", "1.00")]
    assert version_of(first_file) == NEW


def test_a_migration_that_fails_changes_nothing(
    first_file: Path, two_migrations: Sequence[Migration]
) -> None:
    broken = Migration(2, "0002_broken.sql", SECOND + FAILING)
    with closing(SqliteStore(first_file, migrations=[two_migrations[0], broken])) as store:
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="no such table: missing") as caught:
                store.check()
            assert caught.value.reason is Reason.FAILED
    assert version_of(first_file) == OLD


def add_when_all_are_ready(
    path: Path, migrations: Sequence[Migration], name: str, ready: Barrier
) -> None:
    ready.wait()
    with closing(SqliteStore(path, limits=Limits(lock=30.0), migrations=migrations)) as store:
        store.add([Order(name, 1)])


def test_processes_that_open_an_older_file_at_once_migrate_it_once(
    first_file: Path, two_migrations: Sequence[Migration]
) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(4)
    processes = [
        context.Process(
            target=add_when_all_are_ready, args=(first_file, two_migrations, f"{number}", ready)
        )
        for number in range(4)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert version_of(first_file) == NEW
    with closing(SqliteStore(first_file, migrations=two_migrations)) as store:
        assert store.totals().count == 6


def test_a_file_that_a_newer_release_migrated_first_is_left_unchanged(
    first_file: Path, two_migrations: Sequence[Migration]
) -> None:
    with closing(SqliteStore(first_file, migrations=two_migrations)) as newer:
        newer.check()
    with closing(sqlite3.connect(first_file, isolation_level=None)) as connection:
        # As if it had read the first version, and then waited for the lock.
        assert migrate(connection, two_migrations[:1]) == ()
    assert version_of(first_file) == NEW


def test_an_open_store_refuses_a_file_that_a_newer_release_has_migrated(
    first_file: Path, two_migrations: Sequence[Migration]
) -> None:
    with closing(SqliteStore(first_file)) as store:
        store.check()
        with closing(SqliteStore(first_file, migrations=two_migrations)) as newer:
            newer.check()
        with pytest.raises(StoreUnavailable, match="has schema version 2") as caught:
            store.check()
    assert caught.value.reason is Reason.SCHEMA
    assert version_of(first_file) == NEW
