"""When the log or its index is lost while in use, the orders in it are kept."""

import os
import resource
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest
from attrs import evolve

from orders_core import Order, OrderId, Outcome, Reason, StoreUnavailable
from orders_sqlite import Limits, SqliteStore
from orders_sqlite.files import LogPaths, WatchedLog
from tests.sqlite.connections import for_each_new_connection, in_a_process_of_its_own

CREATED_LATER = (
    " while in use; a new one is created once every process has closed the old one, at the latest "
    "when the service is restarted"
)
UNSAVED = " was deleted while in use, and contains orders that cannot be written into "
ELSEWHERE = (
    " was lost while another process used it; a new one is created once that process has closed "
    "the old one or was restarted"
)


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def index_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-shm")


def lost(call: Callable[[], object], path: Path) -> str:
    """Expect the call to fail; return the message without the path."""
    with pytest.raises(StoreUnavailable) as caught:
        call()
    assert caught.value.reason is Reason.UNREACHABLE
    return str(caught.value).removeprefix(str(path))


def orders_in_the_file_alone(path: Path) -> list[str]:
    """List the orders that would be left if every process were killed now and the log were gone."""
    alone = path.with_name("alone.db")
    shutil.copy(path, alone)
    with closing(SqliteStore(alone)) as store:
        found = [order.id.value for order in store.page(1_000)]
    alone.unlink()
    return found


def delete_log(path: Path) -> str:
    log_of(path).unlink()
    return f"-wal was deleted{CREATED_LATER}"


def delete_index(path: Path) -> str:
    index_of(path).unlink()
    return f"-shm was deleted{CREATED_LATER}"


def delete_both(path: Path) -> str:
    index_of(path).unlink()
    return delete_log(path)


def move_log(path: Path) -> str:
    log_of(path).rename(path.with_name("moved"))
    return f"-wal was deleted{CREATED_LATER}"


def empty_its_place(path: Path) -> str:
    log_of(path).unlink()
    log_of(path).touch()
    return f"-wal was replaced by another file{CREATED_LATER}"


def replace_log(path: Path) -> str:
    copy = path.with_name("copy")
    shutil.copy(log_of(path), copy)
    copy.replace(log_of(path))
    return f"-wal was replaced by another file{CREATED_LATER}"


def replace_index(path: Path) -> str:
    copy = path.with_name("copy")
    shutil.copy(index_of(path), copy)
    copy.replace(index_of(path))
    return f"-shm was replaced by another file{CREATED_LATER}"


HARM = [
    delete_log,
    delete_index,
    delete_both,
    move_log,
    empty_its_place,
    replace_log,
    replace_index,
]
CALLS: list[Callable[[SqliteStore], object]] = [
    lambda store: store.add([Order("new", 1)]),
    lambda store: store.load([("new", "1")]),
    lambda store: store.get([OrderId("a")]),
    lambda store: store.page(10),
    lambda store: store.totals(),
    lambda store: store.check(),
]


@pytest.mark.parametrize("harm", HARM)
@pytest.mark.parametrize("call", CALLS)
def test_a_lost_file_fails_the_next_call_and_every_order_is_kept(
    store: SqliteStore,
    path: Path,
    harm: Callable[[Path], str],
    call: Callable[[SqliteStore], object],
) -> None:
    store.add([Order("a", 1), Order("b", 2)])
    store.get([OrderId("a")])
    message = harm(path)
    assert lost(lambda: call(store), path) == message
    assert orders_in_the_file_alone(path) == ["a", "b"]
    assert store.add([Order("a", 1), Order("c", 3)]) == (Outcome.REPLAYED, Outcome.CREATED)
    store.check()
    assert store.totals().count == 3


@pytest.mark.parametrize("harm", HARM)
def test_a_new_log_is_begun_only_when_every_store_has_closed_the_lost_one(
    store: SqliteStore, path: Path, harm: Callable[[Path], str]
) -> None:
    with closing(SqliteStore(path)) as other:
        store.add([Order("a", 1)])
        other.add([Order("b", 2)])
        message = harm(path)
        assert lost(lambda: store.add([Order("c", 3)]), path) == message
        for _ in range(2):
            assert lost(lambda: store.add([Order("c", 3)]), path) == f"-wal{ELSEWHERE}"
        assert lost(other.check, path) == message
        assert store.add([Order("a", 1), Order("b", 2)]) == (Outcome.REPLAYED,) * 2
        assert other.add([Order("c", 3)]) == (Outcome.CREATED,)
        assert store.get([OrderId("c")]) == [Order("c", 3)]


def test_closing_a_store_whose_log_was_replaced_saves_its_orders(
    store: SqliteStore, path: Path
) -> None:
    with closing(SqliteStore(path)) as other:
        other.check()
        store.add([Order("a", 1)])
        replace_log(path)
        assert "was replaced" in lost(store.check, path)
        store.close()
    assert orders_in_the_file_alone(path) == ["a"]


@pytest.mark.parametrize("harm", [delete_log, delete_index, delete_both])
def test_a_store_that_opens_while_another_uses_a_lost_log_begins_no_new_one(
    store: SqliteStore, path: Path, harm: Callable[[Path], str]
) -> None:
    store.add([Order("a", 1)])
    harm(path)
    before = set(path.parent.iterdir())
    with closing(SqliteStore(path, limits=Limits(lock=0.05))) as other:
        assert lost(lambda: other.add([Order("b", 1)]), path) == f"-wal{ELSEWHERE}"
    assert set(path.parent.iterdir()) == before
    assert "while in use" in lost(store.check, path)
    store.check()


@pytest.fixture
def reader(store: SqliteStore, path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that still reads the orders as they were before b was added."""
    store.add([Order("a", 1)])
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (1,)
        store.add([Order("b", 2)])
        yield connection


def test_a_deleted_log_stays_open_until_its_orders_are_saved(
    store: SqliteStore, path: Path, reader: sqlite3.Connection
) -> None:
    delete_log(path)
    for _ in range(2):
        assert lost(lambda: store.add([Order("c", 1)]), path).startswith(f"-wal{UNSAVED}")
    # Another connection would see another log.
    assert lost(store.totals, path).startswith(f"-wal{UNSAVED}")
    reader.close()
    assert lost(lambda: store.add([Order("c", 1)]), path) == f"-wal was deleted{CREATED_LATER}"
    assert orders_in_the_file_alone(path) == ["a", "b"]
    assert store.add([Order("b", 2), Order("c", 1)]) == (Outcome.REPLAYED, Outcome.CREATED)


def messages_where_the_file_may_not_grow(path: Path) -> list[str]:
    with closing(SqliteStore(path)) as store:
        store.add([Order("a", 1)])
        delete_log(path)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
        try:
            found = [lost(store.check, path), lost(lambda: store.add([Order("b", 1)]), path)]
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        found.append(lost(lambda: store.add([Order("b", 1)]), path))
        assert store.add([Order("a", 1), Order("b", 1)]) == (Outcome.REPLAYED, Outcome.CREATED)
        return found


def test_a_deleted_log_stays_open_while_the_disk_has_no_room_for_its_orders(path: Path) -> None:
    *unsaved, saved = in_a_process_of_its_own(messages_where_the_file_may_not_grow, path)
    assert all(each.startswith(f"-wal{UNSAVED}") for each in unsaved)
    assert saved == f"-wal was deleted{CREATED_LATER}"


def test_another_process_may_write_the_log_into_the_file_and_empty_it(
    store: SqliteStore, path: Path
) -> None:
    for number in range(3):
        assert store.add([Order(f"{number}", 1)]) == (Outcome.CREATED,)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        assert log_of(path).stat().st_size == 0
        assert store.totals().count == number + 1


def test_truncating_a_log_whose_orders_are_all_in_the_file_loses_nothing(
    store: SqliteStore, path: Path
) -> None:
    store.add([Order("a", 1)])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    os.truncate(log_of(path), 0)
    assert store.add([Order("a", 1), Order("b", 1)]) == (Outcome.REPLAYED, Outcome.CREATED)
    store.close()
    assert orders_in_the_file_alone(path) == ["a", "b"]


@pytest.mark.parametrize("call", CALLS)
def test_a_truncated_log_is_reported_and_orders_acknowledged_later_are_kept(
    store: SqliteStore, path: Path, call: Callable[[SqliteStore], object]
) -> None:
    store.add([Order("a", 1)])
    store.close()
    store.add([Order("b", 1)])
    os.truncate(log_of(path), 0)
    assert lost(lambda: call(store), path) == f"-wal was truncated{CREATED_LATER}"
    assert store.add([Order("a", 1), Order("c", 1)]) == (Outcome.REPLAYED, Outcome.CREATED)
    store.close()
    assert {"a", "c"} <= set(orders_in_the_file_alone(path))


def message_when_the_log_goes_at_the_commit(harm: Callable[[Path], object], path: Path) -> str:
    connections: list[sqlite3.Connection] = []
    for_each_new_connection(connections.append)
    with closing(SqliteStore(path)) as store:
        store.add([Order("a", 1)])

        def harm_at_the_commit(statement: str) -> None:
            if statement == "COMMIT":
                harm(path)

        connections[0].set_trace_callback(harm_at_the_commit)
        return lost(lambda: store.add([Order("b", 1)]), path)


def delete_log_at_the_commit(path: Path) -> str:
    return message_when_the_log_goes_at_the_commit(delete_log, path)


def empty_log_at_the_commit(path: Path) -> str:
    return message_when_the_log_goes_at_the_commit(lambda _: os.truncate(log_of(path), 0), path)


@pytest.mark.parametrize(
    ("harmed", "what"),
    [(delete_log_at_the_commit, "deleted"), (empty_log_at_the_commit, "truncated")],
)
def test_an_order_is_not_acknowledged_when_the_log_is_lost_while_it_is_stored(
    path: Path, harmed: Callable[[Path], str], what: str
) -> None:
    assert in_a_process_of_its_own(harmed, path) == f"-wal was {what}{CREATED_LATER}"


def test_a_log_that_another_thread_lets_grow_during_a_check_is_not_truncated(path: Path) -> None:
    class GrowingLog:
        """The log's path, whose first look is overtaken by another thread's write and check."""

        overtaken = False

        def stat(self) -> os.stat_result:
            found = paths.log.stat()
            if not self.overtaken:
                self.overtaken = True
                store.add([Order("B", 1)])
                log.require()
            return found

    with closing(SqliteStore(path)) as store:
        store.add([Order("A", 1)])
        paths = LogPaths.of(path)
        log = WatchedLog.opened(paths)
        with closing(log):
            log.paths = evolve(paths, log=cast("Path", GrowingLog()))
            log.require()
            log.require()
