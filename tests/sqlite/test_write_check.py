"""The check proves that something can be written, and says why when it cannot."""

import os
import resource
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from orders_core import Order, OrderId, Outcome, Reason, StoreUnavailable
from orders_sqlite import Limits, SqliteStore
from tests.clock import Clock
from tests.sqlite.connections import write_locked

NOBODY = 65534


def failure(call: Callable[[], object]) -> tuple[Reason, str]:
    """Expect the call to fail; return the reason and the message."""
    with pytest.raises(StoreUnavailable) as caught:
        call()
    return caught.value.reason, str(caught.value)


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


ALWAYS_WRITING = pytest.mark.parametrize("limits", [Limits(proof=0.0)], ids=[""])
"""Every check writes."""


@ALWAYS_WRITING
def test_the_check_writes_through_to_the_log_and_writes_no_order(
    store: SqliteStore, path: Path
) -> None:
    store.add([Order("a", 1)])
    store.check()
    before = log_of(path).stat().st_size
    store.check()
    assert log_of(path).stat().st_size > before
    assert store.page(10) == [Order("a", 1)]


@pytest.mark.parametrize("limits", [Limits(proof=60.0)], ids=[""])
def test_the_check_does_not_write_again_immediately(store: SqliteStore, path: Path) -> None:
    store.check()
    before = log_of(path).read_bytes()
    store.check()
    assert log_of(path).read_bytes() == before


@contextmanager
def file_sizes_limited(limit: int) -> Iterator[None]:
    """Limit the size of the files of this process, in bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("limits", [Limits(proof=0.0, free_bytes=0)], ids=[""])
@pytest.mark.parametrize(
    ("free", "expected"),
    [
        (None, (Reason.UNREACHABLE, "disk I/O error")),
        (0, (Reason.EXHAUSTED, "disk I/O error; the disk is full")),
    ],
)
def test_a_log_that_cannot_grow_fails_the_check_as_it_fails_an_order(
    store: SqliteStore,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    free: int | None,
    expected: tuple[Reason, str],
) -> None:
    store.add([Order("a", 1)])
    store.get([OrderId("a")])
    store.check()
    monkeypatch.setattr("orders_sqlite.errors.free_bytes", lambda _path: free)
    with file_sizes_limited(log_of(path).stat().st_size):
        found = [failure(store.check), failure(lambda: store.add([Order("b", 1)]))]
        assert store.get([OrderId("a")]) == [Order("a", 1)]
    reason, message = expected
    assert found == [(reason, f"{path}: {message}")] * 2
    store.check()
    assert store.add([Order("b", 1)]) == (Outcome.CREATED,)


@pytest.mark.parametrize("limits", [Limits(free_bytes=1 << 62)], ids=[""])
def test_a_disk_without_room_for_a_batch_is_exhausted_and_no_file_is_created_on_it(
    store: SqliteStore, path: Path
) -> None:
    expected = f"{path}: its disk has less than {1 << 62} bytes left"
    assert failure(store.check) == (Reason.EXHAUSTED, expected)
    assert list(path.parent.iterdir()) == []


def make_file_read_only(path: Path) -> Path:
    path.chmod(0o400)
    return path


def make_folder_read_only(path: Path) -> Path:
    path.parent.chmod(0o500)
    return path.parent


def make_log_read_only(path: Path) -> Path:
    # A command run by root may leave a log that the service cannot write to.
    log_of(path).chmod(0o400)
    return log_of(path)


@pytest.fixture
def own_folder() -> Iterator[Path]:
    """A folder of an ordinary user, which this process is until the end: root may do everything."""
    folder = Path(tempfile.mkdtemp())
    is_root = os.geteuid() == 0
    if is_root:
        os.chown(folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    try:
        yield folder
    finally:
        if is_root:
            os.seteuid(0)
        shutil.rmtree(folder)


@pytest.mark.parametrize("take", [make_file_read_only, make_folder_read_only, make_log_read_only])
def test_a_path_that_cannot_be_written_to_is_named_as_read_only(
    own_folder: Path, take: Callable[[Path], Path]
) -> None:
    path = own_folder / "orders.db"
    with closing(SqliteStore(path)) as other:
        other.add([Order("a", 1)])
        if take is not make_log_read_only:
            other.close()  # With an existing log, SQLite could continue.
        taken = take(path)
        with closing(SqliteStore(path)) as store:
            found = [failure(store.check), failure(lambda: store.add([Order("b", 1)]))]
        own_folder.chmod(0o700)
    assert [reason for reason, _ in found] == [Reason.READ_ONLY] * 2
    assert all(f"this user cannot write to {taken}" in message for _, message in found)


@pytest.mark.parametrize("limits", [Limits(proof=0.0), Limits()], ids=["always", "now and then"])
def test_a_writer_that_holds_the_lock_for_too_long_fails_every_check_until_it_commits_or_ends(
    path: Path, limits: Limits
) -> None:
    clock = Clock()
    with closing(SqliteStore(path, limits=limits, clock=clock)) as store:
        store.check()
        with write_locked(path):
            clock.seconds += 5
            store.check()
            clock.seconds += 6
            for _ in range(3):
                assert failure(store.check) == (Reason.TIMEOUT, f"{path}: database is locked")
        store.check()


def test_a_check_that_has_never_written_does_not_rely_on_a_writer_that_commits_nothing(
    path: Path,
) -> None:
    with closing(SqliteStore(path)) as store:
        store.add([Order("a", 1)])
    with closing(SqliteStore(path)) as store:
        with write_locked(path):
            assert failure(store.check) == (Reason.TIMEOUT, f"{path}: database is locked")
        store.check()


# A failed wait for the lock takes a second.
@pytest.mark.parametrize("limits", [Limits(proof=0.0, busy=0.5)], ids=[""])
def test_a_commit_of_another_writer_proves_that_writing_works(
    store: SqliteStore, path: Path
) -> None:
    store.check()
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("INSERT INTO orders VALUES ('a', 1)")
        writer.execute("BEGIN IMMEDIATE")
        store.check()
        assert failure(store.check) == (Reason.TIMEOUT, f"{path}: database is locked")
        writer.execute("ROLLBACK")
    store.check()
