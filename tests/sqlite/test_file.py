"""The file: when it is created, what it contains, and that others can use it at the same time."""

import multiprocessing
import os
import sqlite3
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from orders_core import MAX_CENTS, Order, OrderId, Outcome, StoreUnavailable
from orders_sqlite import Limits, SqliteStore
from tests.contract.threads import at_once, in_background
from tests.postgres_server import wait_until
from tests.sqlite.connections import for_each_new_connection, in_a_process_of_its_own


def pragmas_of_each_connection(path: Path) -> list[tuple[object, ...]]:
    connections: list[sqlite3.Connection] = []
    for_each_new_connection(connections.append)
    with closing(SqliteStore(path)) as store:
        store.add([Order("a", 1)])
        store.totals()
        names = ("journal_mode", "synchronous", "fullfsync")
        return [
            tuple(each.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
            for each in connections
        ]


def test_every_connection_uses_the_write_ahead_log_and_flushes_each_commit(path: Path) -> None:
    # The writer's connection and the reader's; 2 is FULL.
    pragmas = in_a_process_of_its_own(pragmas_of_each_connection, path)
    assert pragmas == [("wal", 2, 1), ("wal", 2, 1)]


def test_the_file_is_in_write_ahead_mode_for_other_programs_too(
    store: SqliteStore, path: Path
) -> None:
    store.add([Order("a", 1)])
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_commit_is_in_the_log_when_it_is_reported(store: SqliteStore, path: Path) -> None:
    log = path.with_name(f"{path.name}-wal")
    store.add([Order("a", 1)])
    before = log.read_bytes()
    store.add([Order("found-in-the-log", 1)])
    assert b"found-in-the-log" in log.read_bytes()[len(before) :]


def test_nothing_is_opened_before_the_first_use(path: Path) -> None:
    SqliteStore(path).close()
    assert not path.exists()


@pytest.mark.parametrize("spelled", [str, Path])
def test_the_file_is_created_at_the_first_use(path: Path, spelled: type[str | Path]) -> None:
    with closing(SqliteStore(spelled(path))) as store:
        store.check()
        assert path.exists()


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """Set the umask during the context."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def modes(folder: Path) -> dict[str, str]:
    """List the mode of each file."""
    return {each.name: stat.filemode(each.stat().st_mode) for each in folder.iterdir()}


def test_only_the_owner_can_access_new_files(store: SqliteStore, path: Path) -> None:
    with umask(0):
        store.add([Order("a", 1)])
    private = "-rw-------"
    assert modes(path.parent) == {
        "orders.db": private,
        "orders.db-wal": private,
        "orders.db-shm": private,
    }


def test_an_existing_file_keeps_its_mode_and_its_log_gets_the_same(
    store: SqliteStore,
    path: Path,
) -> None:
    path.touch()
    path.chmod(0o660)
    store.add([Order("a", 1)])
    assert set(modes(path.parent).values()) == {"-rw-rw----"}


def test_the_target_of_a_link_is_created(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    link = tmp_path / "link.db"
    link.symlink_to(folder / "orders.db")
    with umask(0), closing(SqliteStore(link)) as store:
        store.add([Order("a", 1)])
    assert modes(folder) == {"orders.db": "-rw-------"}


def order_found_during_the_totals(path: Path) -> Order | None:
    connections: list[sqlite3.Connection] = []
    for_each_new_connection(connections.append)
    with closing(SqliteStore(path)) as store, ThreadPoolExecutor(1) as pool:
        store.add([Order("a", 1)])
        store.totals()
        found: list[Order | None] = []

        def look_up_before_the_sum(statement: str) -> None:
            if "sum(" in statement:
                looked_up = pool.submit(store.get, [OrderId("a")])
                found.extend(looked_up.result(timeout=30))

        connections[-1].set_trace_callback(look_up_before_the_sum)
        store.totals()
        return found[0]


def test_a_look_up_does_not_wait_for_the_totals(path: Path) -> None:
    assert in_a_process_of_its_own(order_found_during_the_totals, path) == Order("a", 1)


def test_looking_up_nothing_in_a_new_file_works(store: SqliteStore) -> None:
    assert list(store.get([OrderId("a")])) == [None]


def test_amounts_are_whole_hundredths_in_the_file(store: SqliteStore, path: Path) -> None:
    store.add([Order("a", "12.30"), Order("b", "9999999999999.99")])
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT id, amount, typeof(amount) FROM orders ORDER BY id")
        assert list(rows) == [("a", 1230, "integer"), ("b", MAX_CENTS, "integer")]


@pytest.mark.parametrize("amount", [-1, MAX_CENTS + 1, 12.5, "x", None])
def test_the_file_itself_refuses_a_value_that_is_not_an_amount(
    store: SqliteStore,
    path: Path,
    amount: object,
) -> None:
    store.check()
    with (
        closing(sqlite3.connect(path)) as connection,
        pytest.raises(sqlite3.IntegrityError),
    ):
        connection.execute("INSERT INTO orders VALUES ('a', ?)", (amount,))


def test_loading_a_value_that_is_not_an_amount_fails_and_stores_nothing(store: SqliteStore) -> None:
    with pytest.raises(StoreUnavailable, match="CHECK constraint failed"):
        store.load([("a", "1"), ("b", "99999999999999")])
    assert store.page(10) == []


def test_closing_the_store_writes_the_log_into_the_file(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        store.add([Order("a", 1)])
        store.totals()
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_path_that_looks_like_a_url_is_a_path(tmp_path: Path) -> None:
    path = tmp_path / "file:orders.db?mode=memory"
    with closing(SqliteStore(path)) as store:
        store.add([Order("a", 1)])
    assert path.exists()


PATIENT = Limits(lock=30.0)
"""Longer than the default: the machine may be busy."""


def attempts_until_the_new_file_is_free(path: Path) -> int:
    attempts: list[str] = []
    connections: list[sqlite3.Connection] = []
    with (
        closing(SqliteStore(path, limits=PATIENT)) as store,
        closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as maker,
    ):
        maker.execute("BEGIN IMMEDIATE")
        for_each_new_connection(connections.append)

        def release_at_the_second_attempt(statement: str) -> None:
            if "journal_mode" in statement:
                attempts.append(statement)
                if len(attempts) == 2:
                    maker.execute("ROLLBACK")

        def is_watched() -> bool:
            try:
                connections[0].set_trace_callback(release_at_the_second_attempt)
            except (IndexError, sqlite3.ProgrammingError):
                # Not announced yet, or announced and not ready yet.
                return False
            return True

        with in_background(lambda: wait_until(is_watched)):
            store.check()
    return len(attempts)


def test_opening_a_file_that_another_process_is_creating_is_retried(path: Path) -> None:
    # SQLite itself does not wait there, but reports the lock at once.
    assert in_a_process_of_its_own(attempts_until_the_new_file_is_free, path) >= 2


def add_from_a_new_store(path: Path, name: str) -> list[Outcome]:
    with closing(SqliteStore(path, limits=PATIENT)) as store:
        return list(store.add([Order(name, 1), Order("shared", 1)]))


def test_stores_that_open_a_new_file_at_once_share_it(tmp_path: Path) -> None:
    # Many rounds: the window for a failure is short.
    for number in range(20):
        path = tmp_path / f"orders-{number}.db"
        outcomes = at_once([partial(add_from_a_new_store, path, f"{n}") for n in range(8)])
        assert [each[0] for each in outcomes] == [Outcome.CREATED] * 8
        assert [each[1] for each in outcomes].count(Outcome.CREATED) == 1
        with closing(SqliteStore(path)) as store:
            assert store.totals().count == 9


def add_when_all_are_ready(path: Path, name: str, ready: Barrier) -> None:
    ready.wait()
    add_from_a_new_store(path, name)


def test_processes_that_create_the_file_at_once_share_it(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(4)
    processes = [
        context.Process(target=add_when_all_are_ready, args=(path, f"{number}", ready))
        for number in range(4)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    with closing(SqliteStore(path)) as store:
        assert store.totals().count == 5
