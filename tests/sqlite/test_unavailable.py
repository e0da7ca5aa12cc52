"""When the file cannot be used: the reason, and that the store works again afterwards."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from orders_core import Order, OrderId, Outcome, Reason, StoreUnavailable
from orders_sqlite import SqliteStore
from tests.sqlite.connections import (
    for_each_new_connection,
    in_a_process_of_its_own,
    write_locked,
)

# In SQLite's header ("Database File Format"): 1 a rollback journal, 2 a write-ahead log, more is
# for releases to come.
WRITE_VERSION = 18


def unavailable(call: Callable[[], object], path: Path) -> tuple[Reason, str]:
    """Expect the call to fail; return the reason, and the message without the path."""
    with pytest.raises(StoreUnavailable) as caught:
        call()
    place, _, rest = str(caught.value).partition(str(path))
    assert place == ""
    return caught.value.reason, rest


def test_a_write_lock_that_another_process_holds_is_a_timeout(
    store: SqliteStore,
    path: Path,
) -> None:
    store.add([Order("a", 1)])
    with write_locked(path):
        for _ in range(2):
            failure = unavailable(lambda: store.add([Order("b", 1)]), path)
            assert failure == (Reason.TIMEOUT, ": database is locked")
    assert list(store.add([Order("b", 1), Order("a", 1)])) == [Outcome.CREATED, Outcome.REPLAYED]


def test_reading_works_while_another_process_writes(store: SqliteStore, path: Path) -> None:
    store.add([Order("a", 1)])
    store.check()
    with write_locked(path):
        assert list(store.get([OrderId("a")])) == [Order("a", 1)]
        assert list(store.page(10)) == [Order("a", 1)]
        assert store.totals().count == 1
        store.check()


def test_a_new_file_that_another_process_keeps_locked_is_a_timeout(
    store: SqliteStore,
    path: Path,
) -> None:
    with write_locked(path):
        assert unavailable(store.check, path) == (Reason.TIMEOUT, ": database is locked")
    store.check()


def test_a_read_only_file_can_be_read_and_a_write_reports_it(
    store: SqliteStore,
    path: Path,
) -> None:
    store.add([Order("a", 1)])
    store.close()
    header = bytearray(path.read_bytes())
    # From a future release of SQLite, which this one may only read: this binds root too.
    header[WRITE_VERSION] = 3
    path.write_bytes(header)
    assert list(store.get([OrderId("a")])) == [Order("a", 1)]
    assert unavailable(lambda: store.add([Order("b", 1)]), path) == (
        Reason.READ_ONLY,
        ": attempt to write a readonly database",
    )
    header[WRITE_VERSION] = 2
    store.close()
    path.write_bytes(header)
    assert list(store.add([Order("b", 1)])) == [Outcome.CREATED]


def test_a_folder_at_the_path_of_the_file_is_unreachable(store: SqliteStore, path: Path) -> None:
    path.mkdir()
    assert unavailable(store.check, path) == (
        Reason.UNREACHABLE,
        ": unable to open database file",
    )
    path.rmdir()
    store.check()


def test_a_file_in_a_missing_folder_is_unreachable(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "orders.db"
    with closing(SqliteStore(path)) as store:
        for call in (store.check, lambda: store.add([Order("a", 1)])):
            assert unavailable(call, path) == (
                Reason.UNREACHABLE,
                ": No such file or directory",
            )
        path.parent.mkdir()
        assert list(store.add([Order("a", 1)])) == [Outcome.CREATED]


def test_a_file_that_is_not_a_database_is_left_unchanged(store: SqliteStore, path: Path) -> None:
    text = b"These are notes, and no database.\n" * 100
    path.write_bytes(text)
    failed = (Reason.FAILED, ": file is not a database")
    assert unavailable(store.check, path) == failed
    assert unavailable(lambda: store.add([Order("a", 1)]), path) == failed
    assert path.read_bytes() == text


def test_a_file_of_a_newer_schema_is_refused_and_left_unchanged(
    store: SqliteStore,
    path: Path,
) -> None:
    store.add([Order("a", 1)])
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 2")
    before = path.read_bytes()
    newer = (
        Reason.SCHEMA,
        " has schema version 2, of a newer release; this release knows versions up to 1",
    )
    for call in (store.check, store.totals, lambda: store.add([Order("b", 1)])):
        assert unavailable(call, path) == newer
    assert path.read_bytes() == before


def test_a_file_of_an_unknown_version_is_refused_and_left_unchanged(
    store: SqliteStore, path: Path
) -> None:
    store.add([Order("a", 1)])
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 0")
    before = path.read_bytes()
    assert unavailable(store.check, path) == (
        Reason.SCHEMA,
        " has schema version 0; this release needs 1",
    )
    assert path.read_bytes() == before


DELETED = (
    Reason.UNREACHABLE,
    " was deleted; restore it, or restart to create a new file",
)
REPLACED = (Reason.UNREACHABLE, " was replaced by another file; restart to use that file")


def every_call(store: SqliteStore) -> list[Callable[[], object]]:
    """List every way to use a store."""
    return [
        lambda: store.add([Order("b", 1)]),
        lambda: store.get([OrderId("a")]),
        lambda: store.page(10),
        store.totals,
        store.check,
    ]


def test_a_deleted_file_fails_every_call_and_is_not_created_again(
    store: SqliteStore,
    path: Path,
) -> None:
    store.add([Order("a", 1)])
    store.totals()
    store.check()
    for file in list(path.parent.iterdir()):
        file.unlink()
    for _ in range(2):
        for call in every_call(store):
            assert unavailable(call, path) == DELETED
    assert list(path.parent.iterdir()) == []


def test_a_file_that_was_moved_away_works_again_once_it_is_back(
    store: SqliteStore,
    path: Path,
) -> None:
    store.add([Order("a", 1)])
    away = path.parent / "away"
    away.mkdir()
    files = list(path.parent.glob("orders.db*"))
    for file in files:
        file.rename(away / file.name)
    assert unavailable(store.check, path) == DELETED
    assert unavailable(lambda: store.add([Order("b", 1)]), path) == DELETED
    for file in away.iterdir():
        file.rename(path.parent / file.name)
    assert list(store.add([Order("a", 1), Order("b", 1)])) == [Outcome.REPLAYED, Outcome.CREATED]


def test_another_file_at_the_path_is_used_only_by_a_new_store(
    store: SqliteStore,
    path: Path,
) -> None:
    store.add([Order("a", 1)])
    other = path.with_name("other.db")
    with closing(SqliteStore(other)) as another:
        another.add([Order("c", 1)])
    before = other.read_bytes()
    for file in path.parent.glob("orders.db*"):
        file.unlink()
    other.rename(path)
    for call in every_call(store):
        assert unavailable(call, path) == REPLACED
    assert path.read_bytes() == before
    store.close()
    with closing(SqliteStore(path)) as another:
        assert list(another.page(10)) == [Order("c", 1)]


def failure_of_an_order_whose_file_goes_at_the_commit(path: Path) -> tuple[Reason, str]:
    connections: list[sqlite3.Connection] = []
    for_each_new_connection(connections.append)
    with closing(SqliteStore(path)) as store:
        store.add([Order("a", 1)])

        def delete_at_the_commit(statement: str) -> None:
            if statement == "COMMIT":
                path.unlink()

        connections[0].set_trace_callback(delete_at_the_commit)
        return unavailable(lambda: store.add([Order("b", 1)]), path)


def test_an_order_is_not_acknowledged_when_the_file_is_deleted_while_it_is_stored(
    path: Path,
) -> None:
    failure = in_a_process_of_its_own(failure_of_an_order_whose_file_goes_at_the_commit, path)
    assert failure == DELETED


def test_an_emptied_file_is_not_filled_again(store: SqliteStore, path: Path) -> None:
    store.add([Order("a", 1)])
    store.close()
    os.truncate(path, 0)
    emptied = (
        Reason.SCHEMA,
        " was emptied; restore its content, or restart to begin with an empty file",
    )
    assert unavailable(store.check, path) == emptied
    assert path.read_bytes() == b""


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("table", ["theirs", "orders"])
def test_a_database_of_another_program_is_refused_and_left_unchanged(
    store: SqliteStore,
    path: Path,
    table: str,
    version: int,
) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE {table} (id TEXT, amount INTEGER)")
        connection.execute(f"PRAGMA user_version = {version}")
    before = path.read_bytes()
    foreign = (
        Reason.SCHEMA,
        " is a database of another program: its application_id is 0x00000000, not 0x4f524452",
    )
    for call in every_call(store):
        assert unavailable(call, path) == foreign
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_an_empty_file_becomes_a_database(store: SqliteStore, path: Path) -> None:
    path.touch()
    assert list(store.add([Order("a", 1)])) == [Outcome.CREATED]


def test_the_check_reports_a_missing_table(store: SqliteStore, path: Path) -> None:
    store.add([Order("a", 1)])
    store.check()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE orders")
    lost = (Reason.SCHEMA, " lacks its table, orders")
    assert unavailable(store.check, path) == lost
    assert unavailable(store.totals, path) == lost


def test_a_corrupted_file_fails_and_gives_no_wrong_orders(
    store: SqliteStore,
    path: Path,
) -> None:
    store.add([Order(f"id-{number:04}", number) for number in range(1_000)])
    store.close()
    content = path.read_bytes()
    page_size = int.from_bytes(content[16:18], "big")
    path.write_bytes(content[:page_size] + b"\xa5" * (len(content) - page_size))
    corrupted = (Reason.FAILED, ": database disk image is malformed")
    for call in (store.check, store.totals, lambda: store.get([OrderId("id-0500")])):
        assert unavailable(call, path) == corrupted
    path.write_bytes(content)
    assert store.totals().count == 1_000


def test_a_truncated_file_fails(store: SqliteStore, path: Path) -> None:
    store.add([Order(f"id-{number:04}", number) for number in range(1_000)])
    store.close()
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert unavailable(store.totals, path) == (
        Reason.FAILED,
        ": database disk image is malformed",
    )


def test_text_in_the_file_that_is_not_utf_8_fails(store: SqliteStore, path: Path) -> None:
    store.check()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO orders VALUES (CAST(x'ff' AS TEXT), 1)")
    reason, message = unavailable(lambda: store.page(10), path)
    assert reason is Reason.FAILED
    assert "decode to UTF-8" in message


def outcomes_on_a_full_disk(path: Path) -> tuple[tuple[Reason, str], int, int]:
    connections: list[sqlite3.Connection] = []
    for_each_new_connection(connections.append)
    with closing(SqliteStore(path)) as store:
        store.add([Order("before", 1)])
        # Instead of a full disk: SQLite can limit the size of the file for a connection.
        connections[0].execute("PRAGMA max_page_count = 4")
        batch = [Order(f"id-{number:05}", 1) for number in range(10_000)]
        failure = unavailable(lambda: store.add(batch), path)
        count = store.totals().count
        store.add([Order("after", 1)])
        return failure, count, store.totals().count


def test_a_full_disk_stores_nothing_of_the_batch_and_the_store_still_works(path: Path) -> None:
    failure, count, later = in_a_process_of_its_own(outcomes_on_a_full_disk, path)
    assert failure == (Reason.EXHAUSTED, ": database or disk is full")
    assert (count, later) == (1, 2)
