"""The connections of one store to its file, and the log that they share."""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock
from time import monotonic, sleep
from typing import Final
from urllib.parse import quote

from attrs import define, field, frozen

from orders_core import Reason, StoreUnavailable
from orders_core.migrations import Migration
from orders_sqlite.disk import may_write
from orders_sqlite.errors import is_busy, unavailable
from orders_sqlite.files import (
    FileIdentity,
    LogPaths,
    LogProblem,
    LogReplaced,
    LogTruncated,
    Replacement,
    WatchedLog,
    create,
    file_at,
)
from orders_sqlite.limits import Limits
from orders_sqlite.schema import Schema, migrate

_POLL_SECONDS: Final = 0.01
# It neither waits for other connections nor shortens the log.
_SAVE: Final = "PRAGMA wal_checkpoint(PASSIVE)"
_EMPTY: Final = "PRAGMA wal_checkpoint(TRUNCATE)"


@frozen(eq=False)
class Opened:
    """An open connection, and the log that it uses."""

    connection: sqlite3.Connection
    log: WatchedLog


@define(eq=False)
class SharedConnection:
    """A connection that is opened at its first use, and used by one thread at a time."""

    lock: Lock = field(factory=Lock)
    opened: Opened | None = None


class _UnsavedLog(StoreUnavailable):
    """Some orders are only in a lost log, so it must stay open."""


@define
class Connections:
    """The connections of one store.

    Attributes:
        path: The path of the file.
        file: The file that must be there; None until one is opened.
        limits: How long to wait for a lock.
        migrations: The migrations of this release.
        migrates: Whether to apply them to a file of an older release; to a new one, always.
        shared: The connections.
        applied: The migrations that these connections have applied.
    """

    path: Path
    file: FileIdentity | None
    limits: Limits
    migrations: Sequence[Migration]
    migrates: bool
    shared: Sequence[SharedConnection]
    applied: list[Migration] = field(factory=list, init=False)
    _log: WatchedLog | None = field(default=None, init=False)
    _lost_log: bool = field(default=False, init=False)
    _replacements: list[Replacement] = field(factory=list, init=False)
    _opening: Lock = field(factory=Lock, init=False)

    @contextmanager
    def use(self, shared: SharedConnection) -> Iterator[Opened]:
        """Lend a connection, and leave none behind in an open transaction.

        Raises:
            StoreUnavailable: It cannot be opened, or its use failed.
        """
        with shared.lock:
            try:
                if shared.opened is None:
                    self._require_same_log()
                    shared.opened = self._open()
                self.require_same_files(shared.opened)
                yield shared.opened
            except _UnsavedLog:
                # The log must stay open: only this process still has its orders.
                raise
            except (sqlite3.Error, OSError) as error:
                self._discard(shared)
                raise unavailable(error, self.path) from error
            except BaseException:
                self._discard(shared)
                raise

    def close(self) -> None:
        """Close every connection."""
        for shared in self.shared:
            with shared.lock:
                self._discard(shared)
        self._forget_replacements()

    def _open(self) -> Opened:
        with self._opening:
            if self.file is None:
                create(self.path)
            else:
                self._require_same_file()
            if self._log is None:
                self._require_no_lost_log()
            file = file_at(self.path)
            connection = _connect(self.path, self.limits.lock)
            try:
                self._prepare(connection)
                if self._log is None:
                    self._log = WatchedLog.opened(LogPaths.of(self.path))
            except BaseException:
                connection.close()
                raise
            if self.file is None:
                self.file = file
            return Opened(connection, self._log)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Configure a new connection, and migrate a file that is new or older."""
        schema = Schema.of(connection)
        is_new = schema.is_new and self.file is None
        must_migrate = is_new or (self.migrates and schema.is_older(len(self.migrations)))
        if not must_migrate:
            # Before anything is changed in a file that may be another program's.
            self._require(schema)
        self._write_ahead(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")
        if must_migrate:
            self.applied += migrate(connection, self.migrations)
        # This also opens the log.
        self.require_schema(connection)

    def require_schema(self, connection: sqlite3.Connection) -> None:
        """Refuse a file of another program, of another version, or without the table.

        Raises:
            StoreUnavailable: With `Reason.SCHEMA`.
        """
        self._require(Schema.of(connection))

    def _require(self, schema: Schema) -> None:
        problem = schema.problem(len(self.migrations))
        if problem is not None:
            raise StoreUnavailable(Reason.SCHEMA, f"{self.path} {problem}")

    def _write_ahead(self, connection: sqlite3.Connection) -> None:
        """Switch to write-ahead mode, which the file keeps from then on.

        While another connection switches a new file, SQLite reports a lock without waiting for it:
        the two could wait for each other.
        """
        deadline = monotonic() + self.limits.lock
        while True:
            try:
                # Its row is fetched: PyPy would keep the statement open, and so a transaction.
                connection.execute("PRAGMA journal_mode = WAL").fetchall()
            except sqlite3.OperationalError as error:
                if not is_busy(error) or monotonic() >= deadline:
                    raise
                sleep(_POLL_SECONDS)
            else:
                return

    def _discard(self, shared: SharedConnection) -> None:
        """Close a connection, which rolls back an open transaction."""
        with self._opening:
            if shared.opened is not None:
                opened, shared.opened = shared.opened, None
                opened.connection.close()
            if self._log is not None and all(each.opened is None for each in self.shared):
                self._log.close()
                self._log = None

    def _forget_replacements(self) -> None:
        while self._replacements:
            self._replacements.pop().close()

    def _require_same_file(self) -> None:
        """Check that the file that was opened first is still at the path."""
        try:
            found = file_at(self.path)
        except FileNotFoundError:
            message = f"{self.path} was deleted; restore it, or restart to create a new file"
            raise StoreUnavailable(Reason.UNREACHABLE, message) from None
        if found != self.file:
            message = f"{self.path} was replaced by another file; restart to use that file"
            raise StoreUnavailable(Reason.UNREACHABLE, message)

    def require_same_files(self, opened: Opened, *, written: bool = False) -> None:
        """Check that the file, its log and the log's index are the ones that the connection uses.

        Args:
            opened: The connection.
            written: Whether it has just committed something, which must be in the log.

        Raises:
            StoreUnavailable: A file was deleted, replaced or truncated.
        """
        self._require_same_file()
        try:
            if written:
                opened.log.require_written()
            else:
                opened.log.require()
        except LogTruncated as problem:
            if written or not _empty_log(opened.connection):
                raise self._lost(problem, opened) from None
            opened.log.note_emptied()
        except LogProblem as problem:
            raise self._lost(problem, opened) from None

    def _require_same_log(self) -> None:
        """Check that a new connection would use the same log as the open ones."""
        log = self._log
        try:
            if log is not None:
                self._require_same_file()
                log.require()
        except LogTruncated:
            # `require_same_files` handles it once the connection is open.
            return
        except LogProblem as problem:
            raise self._lost(problem, None) from None

    def _lost(self, problem: LogProblem, opened: Opened | None) -> StoreUnavailable:
        """Save the orders of a lost log, and close every connection to it that is not in use.

        They are written into the database. When the last process closes the log, it is gone, and a
        new one can begin.
        """
        self._lost_log = True
        if isinstance(problem, LogReplaced):
            with self._opening:
                self._replacements.append(Replacement.at(problem.path))
        others = [each for each in self.shared if each.lock.acquire(blocking=False)]
        try:
            known = [each for each in (opened, *(other.opened for other in others)) if each]
            saved = not known or any(map(_saved, known))
            if saved:
                for other in others:
                    self._discard(other)
        finally:
            for other in others:
                other.lock.release()
        if not saved:
            message = (
                f"{problem} while in use, and contains orders that cannot be written into "
                f"{self.path} yet; keep the service running until the disk has room and long "
                "reads have ended"
            )
            return _UnsavedLog(Reason.UNREACHABLE, message)
        message = (
            f"{problem} while in use; a new one is created once every process has closed the old "
            "one, at the latest when the service is restarted"
        )
        return StoreUnavailable(Reason.UNREACHABLE, message)

    def _require_no_lost_log(self) -> None:
        """Refuse to begin a new log while another process still uses a lost one.

        The orders in the lost log would be missing, and two logs would destroy the file.
        """
        deadline = monotonic() + self.limits.lock
        paths = LogPaths.of(self.path)
        if not self.path.stat().st_size or not may_write(self.path):
            return  # A new file never had a log, and a read-only one cannot be changed here.
        while not paths.exist or any(each.is_in_place for each in self._replacements):
            if _is_alone(self.path):
                break
            # Otherwise another process may have just begun to use the database.
            if self._lost_log or monotonic() >= deadline:
                message = (
                    f"{paths.log} was lost while another process used it; a new one is created "
                    "once that process has closed the old one or was restarted"
                )
                raise StoreUnavailable(Reason.UNREACHABLE, message)
            sleep(_POLL_SECONDS)
        self._lost_log = False
        self._forget_replacements()


def _connect(path: Path, lock_seconds: float) -> sqlite3.Connection:
    return sqlite3.connect(
        # `rw` never creates a file. All is encoded, so that no character is special.
        f"file:{quote(os.fsencode(path), safe='')}?mode=rw",
        uri=True,
        timeout=lock_seconds,
        isolation_level=None,
        check_same_thread=False,
    )


def _is_alone(path: Path) -> bool:
    """Tell whether no other connection has the database open: each holds a lock on it."""
    with closing(_connect(path, 0)) as connection:
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
            Schema.of(connection)
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                raise
            return False
    return True


def _saved(opened: Opened) -> bool:
    """Write a log that only open connections still have into the database.

    A log that was replaced is left to SQLite: the last process to close the database writes it.
    """
    if not opened.log.is_gone:
        return True
    try:
        ((_, logged, saved),) = opened.connection.execute(_SAVE).fetchall()
    except sqlite3.Error:
        return False
    return bool(logged == saved)


def _empty_log(connection: sqlite3.Connection) -> bool:
    """Write the log into the database and empty it; tell whether that was possible.

    Nothing happens if another process has done so already. If the log was truncated and lacks
    orders, this fails.
    """
    try:
        ((busy, _, _),) = connection.execute(_EMPTY).fetchall()
    except sqlite3.OperationalError:
        return False
    return not busy
