"""Orders in one SQLite file: write-ahead log, one flush to the disk for each commit."""

import errno
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from time import monotonic, sleep
from typing import Final
from urllib.parse import quote

from attrs import define, field, frozen

from orders_core import (
    Amount,
    Call,
    Order,
    OrderId,
    OrderRow,
    Outcome,
    PageQuery,
    Pending,
    Reason,
    StoreUnavailable,
    Totals,
    decimal_of_cents,
    json_lines,
    judge,
)
from orders_sqlite.files import (
    FileIdentity,
    LogCutOff,
    LogPaths,
    LogProblem,
    LogReplaced,
    Stranger,
    WatchedLog,
    file_at,
)

APPLICATION_ID: Final = int.from_bytes(b"ORDR", "big")
"""Kept in the file as SQLite's `application_id`: it is ours. 0 is a new file, or another's."""

SCHEMA_VERSION: Final = 1
"""Kept in the file as SQLite's `user_version`; 0 is a new file, or another's."""

_NEW_FILE_MODE: Final = 0o600

_LOCK_SECONDS: Final = 1.0
_LOCK_POLL_SECONDS: Final = 0.01

# Each proof that something can be written is a page and a flush, and wears the disk.
_PROVEN_SECONDS: Final = 2.0
_BUSY_SECONDS: Final = 10.0

# A batch may change as many pages as it has orders, and the log takes each whole.
_MIN_FREE_BYTES: Final = 1024 * 1024

# Amounts are integer hundredths: SQLite would keep NUMERIC(15,2) as a double.
_SCHEMA: Final = """
CREATE TABLE orders (
    id TEXT NOT NULL PRIMARY KEY COLLATE BINARY,
    amount INTEGER NOT NULL CHECK (amount BETWEEN 0 AND 999999999999999)
) STRICT, WITHOUT ROWID
"""
_STATE: Final = """
SELECT
    (SELECT application_id FROM pragma_application_id),
    (SELECT user_version FROM pragma_user_version),
    EXISTS (SELECT 1 FROM sqlite_schema),
    EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'orders')
"""
_INSERT: Final = """
INSERT INTO orders (id, amount)
SELECT value ->> 0, value ->> 1 FROM json_each(?)
"""
_GET: Final = "SELECT id, amount FROM orders WHERE id IN (SELECT value FROM json_each(?))"
_PAGE: Final = "SELECT id, amount FROM orders ORDER BY id LIMIT ?"
_PAGE_AFTER: Final = "SELECT id, amount FROM orders WHERE id > ? ORDER BY id LIMIT ?"
_PAGE_BEFORE: Final = "SELECT id, amount FROM orders WHERE id < ? ORDER BY id DESC LIMIT ?"
# A plain sum of hundredths overflows 64 bits after 9,223 of the largest amounts.
_TOTALS: Final = """
SELECT count(*), coalesce(sum(amount / 1000000), 0), coalesce(sum(amount % 1000000), 0)
FROM orders
"""
_TOTALS_UNIT: Final = 1_000_000

_REASONS: Final = {
    sqlite3.SQLITE_BUSY: Reason.TIMEOUT,
    sqlite3.SQLITE_LOCKED: Reason.TIMEOUT,
    sqlite3.SQLITE_READONLY: Reason.READ_ONLY,
    sqlite3.SQLITE_FULL: Reason.EXHAUSTED,
    sqlite3.SQLITE_NOMEM: Reason.EXHAUSTED,
    sqlite3.SQLITE_CANTOPEN: Reason.UNREACHABLE,
    sqlite3.SQLITE_IOERR: Reason.UNREACHABLE,
    sqlite3.SQLITE_PERM: Reason.REFUSED,
    sqlite3.SQLITE_AUTH: Reason.REFUSED,
}
_OS_REASONS: Final = {
    errno.ENOSPC: Reason.EXHAUSTED,
    errno.EDQUOT: Reason.EXHAUSTED,
    errno.EROFS: Reason.READ_ONLY,
    errno.EACCES: Reason.REFUSED,
    errno.EPERM: Reason.REFUSED,
}
_OF_ACCESS: Final = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})
_PRIMARY_CODE: Final = 0xFF
# It neither waits for anybody nor shortens the log.
_SAVE: Final = "PRAGMA wal_checkpoint(PASSIVE)"
_EMPTY: Final = "PRAGMA wal_checkpoint(TRUNCATE)"


@frozen(eq=False)
class _Opened:
    """A connection, and the log that it has open."""

    connection: sqlite3.Connection
    log: WatchedLog


@define(eq=False)
class _Lane:
    """One connection and the lock that gives it to one thread at a time."""

    lock: Lock = field(factory=Lock)
    opened: _Opened | None = None


@define
class _Proof:
    """When it was last known that something could be written.

    Attributes:
        opened: What is written through.
        last_write: When anybody was last known to have written.
    """

    opened: _Opened
    last_write: float
    _version: int = field(init=False)
    _proven: float | None = None

    @_version.default
    def _version_now(self) -> int:
        ((version,),) = self.opened.connection.execute("PRAGMA data_version").fetchall()
        return int(version)

    @property
    def is_due(self) -> bool:
        """Whether it is time to write again."""
        return self._proven is None or monotonic() - self._proven >= _PROVEN_SECONDS

    def renew(self) -> None:
        """Take note that something was written just now."""
        self._proven = self.last_write = monotonic()
        self._version = self._version_now()

    def holds_while_busy(self) -> bool:
        """Tell whether others write, or have waited for no longer than a writer may take."""
        # It changes when another connection commits (SQLite, "PRAGMA data_version").
        version = self._version_now()
        if version != self._version:
            self._version, self.last_write = version, monotonic()
        return monotonic() - self.last_write < _BUSY_SECONDS


@frozen
class _State:
    """What a database says of itself."""

    application_id: int
    version: int
    has_schema: bool
    has_orders: bool

    @property
    def is_new(self) -> bool:
        """Whether nobody has put anything into it."""
        return not (self.application_id or self.version or self.has_schema)


class _UnsavedLog(StoreUnavailable):
    """Only a lost log holds some orders, so it must stay open."""


class SqliteStore:
    """An `OrderStore` in one SQLite file. Safe to share by threads and by processes.

    The file is opened at the first use, and made when it is not there, for its owner alone.
    Every commit is flushed to the disk before it is reported (`synchronous=FULL`; SQLite,
    "PRAGMA Statements").

    From the first opening on the store keeps to that very file. When it was deleted, or
    another one took its place, every call fails until it is put back: an order is never
    acknowledged into a file that nobody finds, nor into a new one that lacks the others. The
    write-ahead log and its index are watched in the same way. When one is lost, its orders are put
    into the database, and it is made anew when every process has let go of it.
    """

    def __init__(self, path: str | Path, *, file: FileIdentity | None = None) -> None:
        """Take the path of the file; nothing is opened yet.

        Args:
            path: Where the file is.
            file: Which one it has to be; without it, the one that is opened first.
        """
        self._path = Path(path)
        # In write-ahead mode readers and the writer do not wait for each other.
        self._writer = _Lane()
        self._reader = _Lane()
        # Apart from the reader's: a sum over millions takes long, a look-up must not wait.
        self._counter = _Lane()
        # Apart from all: it must not wait for them, nor they for it.
        self._checker = _Lane()
        self._lanes = (self._counter, self._reader, self._checker, self._writer)
        self._file = file
        self._log: WatchedLog | None = None
        self._lost_log = False
        self._strangers: list[Stranger] = []
        self._proof: _Proof | None = None
        self._opening = Lock()

    @property
    def file(self) -> FileIdentity | None:
        """Which file it keeps to, once one was opened."""
        return self._file

    def begin(self, call: Call) -> Pending | None:
        """Begin nothing: every call waits; see `OrderStore.begin`."""

    def add(self, orders: Sequence[Order], *, atomic: bool = False) -> Sequence[Outcome]:
        """Store the orders as one batch; see `OrderStore.add`."""
        if not orders:
            return ()
        with self._connection(self._writer) as opened:
            connection = opened.connection
            # IMMEDIATE takes the write lock before reading: a deferred transaction that turns
            # into a writer fails at once when another wrote meanwhile.
            connection.execute("BEGIN IMMEDIATE")
            stored = _amounts(connection, [order.id for order in orders])
            outcomes = judge(orders, stored)
            rows = [
                (order.id.value, order.amount.cents)
                for order, outcome in zip(orders, outcomes, strict=True)
                if outcome is Outcome.CREATED
            ]
            written = bool(rows) and not (atomic and Outcome.CONFLICT in outcomes)
            if written:
                connection.execute(_INSERT, (json.dumps(rows),))
            connection.execute("COMMIT")
            # Once more, since a file may have been deleted meanwhile, and the orders with it.
            self._require_same_files(opened, written=written)
            return outcomes

    def load(self, rows: Sequence[OrderRow]) -> bool:
        """Store orders that are all new; see `OrderStore.load`."""
        if not rows:
            return True
        in_cents = json.dumps([(order_id, _cents(amount)) for order_id, amount in rows])
        with self._connection(self._writer) as opened:
            connection = opened.connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.execute(_INSERT, (in_cents,))
            except sqlite3.IntegrityError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
                    raise
                connection.execute("ROLLBACK")
                return False
            connection.execute("COMMIT")
            self._require_same_files(opened, written=True)
            return True

    def get(self, ids: Sequence[OrderId]) -> Sequence[Order | None]:
        """Look up orders; see `OrderStore.get`."""
        with self._connection(self._reader) as opened:
            connection = opened.connection
            amounts = _amounts(connection, ids)
        return [
            Order(order_id, amounts[order_id]) if order_id in amounts else None for order_id in ids
        ]

    def page(
        self,
        limit: int,
        *,
        after: OrderId | None = None,
        before: OrderId | None = None,
    ) -> Sequence[Order]:
        """Read the orders next to an id; see `OrderStore.page`."""
        with self._connection(self._reader) as opened:
            connection = opened.connection
            if before is not None:
                rows = connection.execute(_PAGE_BEFORE, (before.value, limit)).fetchall()
                rows.reverse()
            else:
                rows = _page(connection, limit, after)
        return [
            Order(OrderId.of_stored(order_id), Amount.from_cents(cents)) for order_id, cents in rows
        ]

    def pages_json(self, queries: Sequence[PageQuery]) -> Sequence[bytes]:
        """Read pages as JSON; see `OrderStore.pages_json`."""
        with self._connection(self._reader) as opened:
            connection = opened.connection
            pages = [_page(connection, query.limit, query.after) for query in queries]
        return [
            json_lines((order_id, str(decimal_of_cents(cents))) for order_id, cents in rows)
            for rows in pages
        ]

    def totals(self) -> Totals:
        """Count and sum; see `OrderStore.totals`."""
        with self._connection(self._counter) as opened:
            connection = opened.connection
            ((count, units, cents),) = connection.execute(_TOTALS).fetchall()
        return Totals(count, decimal_of_cents(units * _TOTALS_UNIT + cents))

    def check(self) -> None:
        """Look at the schema, read, and write the schema's version again; see `OrderStore.check`.

        That is written through to the disk at most every two seconds. While another writer has the
        lock, its commits are the proof. A lock without a commit for ten seconds proves nothing.
        """
        if not has_room(self._path):
            message = f"{self._path}: its disk has less than {_MIN_FREE_BYTES} bytes left"
            raise StoreUnavailable(Reason.EXHAUSTED, message)
        with self._connection(self._checker) as opened:
            self._require_schema(_state(opened.connection))
            opened.connection.execute(_PAGE, (1,)).fetchall()
            if self._proof is None:
                self._proof = _Proof(opened, -inf)
            elif self._proof.opened is not opened:
                # A check that fails closes its connection: the next one goes on from here.
                self._proof = _Proof(opened, self._proof.last_write)
            if self._proof.is_due:
                self._prove(self._proof)

    def _prove(self, proof: _Proof) -> None:
        """Write what is there already, without an order, and let SQLite flush it to the disk."""
        connection = proof.opened.connection
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or not proof.holds_while_busy():
                raise
            return
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
        self._require_same_files(proof.opened, written=True)
        proof.renew()

    def renew(self) -> None:
        """Do nothing: a file has no password and no certificate."""

    def close(self) -> None:
        """Close the file; see `OrderStore.close`."""
        for lane in self._lanes:
            with lane.lock:
                self._discard(lane)
        while self._strangers:
            self._strangers.pop().close()

    @contextmanager
    def _connection(self, lane: _Lane) -> Iterator[_Opened]:
        """Give the lane's connection, and leave none behind in an open transaction."""
        with lane.lock:
            try:
                if lane.opened is None:
                    self._require_same_log()
                    lane.opened = self._open()
                self._require_same_files(lane.opened)
                yield lane.opened
            except _UnsavedLog:
                # The log must stay open: only this process has it, and it holds orders.
                raise
            except sqlite3.Error as error:
                self._discard(lane)
                raise self._unavailable(error) from error
            except OSError as error:
                self._discard(lane)
                reason = _OS_REASONS.get(error.errno or 0, Reason.UNREACHABLE)
                raise StoreUnavailable(reason, f"{self._path}: {error.strerror}") from error
            except BaseException:
                self._discard(lane)
                raise

    def _open(self) -> _Opened:
        with self._opening:
            if self._file is None:
                _make(self._path)
            else:
                self._require_same_file()
            if self._log is None:
                self._require_no_lost_log()
            file = file_at(self._path)
            connection = _connect(self._path, _LOCK_SECONDS)
            try:
                self._prepare(connection)
                if self._log is None:
                    self._log = WatchedLog.opened(LogPaths.of(self._path))
            except BaseException:
                connection.close()
                raise
            if self._file is None:
                self._file = file
            return _Opened(connection, self._log)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Set a new connection up, and make the schema in a new file."""
        state = _state(connection)
        make = state.is_new and self._file is None
        if not make:
            # Before anything is changed in a file that may be another program's.
            self._require_schema(state)
        _write_ahead(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")
        if make:
            _make_schema(connection)
        # It also opens the log.
        self._require_schema(_state(connection))

    def _discard(self, lane: _Lane) -> None:
        """Close the lane's connection, which rolls back what was not committed."""
        with self._opening:
            if lane.opened is not None:
                opened, lane.opened = lane.opened, None
                opened.connection.close()
            if self._log is not None and all(each.opened is None for each in self._lanes):
                self._log.close()
                self._log = None

    def _require_same_file(self) -> None:
        """Refuse to go on when the path does not lead to the file that was opened first."""
        try:
            found = file_at(self._path)
        except FileNotFoundError:
            message = f"{self._path} was deleted; put it back, or restart to begin with a new file"
            raise StoreUnavailable(Reason.UNREACHABLE, message) from None
        if found != self._file:
            message = f"{self._path} was replaced by another file; restart to use that one"
            raise StoreUnavailable(Reason.UNREACHABLE, message)

    def _require_same_files(self, opened: _Opened, *, written: bool = False) -> None:
        """Refuse to go on when the file, its log or the log's index is not the one that is open.

        Args:
            opened: What is open.
            written: Whether something was just committed, which must be found at these names.
        """
        self._require_same_file()
        try:
            if written:
                opened.log.require_written()
            else:
                opened.log.require()
        except LogCutOff as problem:
            if written or not _empty_log(opened.connection):
                raise self._lost(problem, opened) from None
            opened.log.begin_anew()
        except LogProblem as problem:
            raise self._lost(problem, opened) from None

    def _require_same_log(self) -> None:
        """Refuse to open a connection beside others whose log is not the one that it would find."""
        log = self._log
        try:
            if log is not None:
                self._require_same_file()
                log.require()
        except LogCutOff:
            # The first use of the connection sees to it.
            return
        except LogProblem as problem:
            raise self._lost(problem, None) from None

    def _lost(self, problem: LogProblem, opened: _Opened | None) -> StoreUnavailable:
        """Save what a lost log holds, and let go of it, with every connection that is not in use.

        Its orders go into the database. The last process to let go of a log takes it away, and a
        new one is begun then.
        """
        self._lost_log = True
        if isinstance(problem, LogReplaced):
            with self._opening:
                self._strangers.append(Stranger.at(problem.path))
        others = [each for each in self._lanes if each.lock.acquire(blocking=False)]
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
                f"{problem} while it was in use, and holds orders that cannot be put into "
                f"{self._path} yet; keep the service running until it has room and no long reads"
            )
            return _UnsavedLog(Reason.UNREACHABLE, message)
        message = (
            f"{problem} while it was in use; it is made anew when every process has let go of "
            "the old one, at the latest when the service is restarted"
        )
        return StoreUnavailable(Reason.UNREACHABLE, message)

    def _require_no_lost_log(self) -> None:
        """Refuse to begin a new log while another process still has one that was lost.

        Its orders would be missed here, and two logs of one file would destroy it.
        """
        deadline = monotonic() + _LOCK_SECONDS
        paths = LogPaths.of(self._path)
        if not self._path.stat().st_size or not _may_write(self._path):
            return  # It is new and never had a log, or nothing here can change it.
        while not paths.are_there or any(each.is_there for each in self._strangers):
            if _is_alone(self._path):
                break
            # Or another process has just begun to use the database.
            if self._lost_log or monotonic() >= deadline:
                message = (
                    f"{paths.log} was lost while another process used it; it is made anew when "
                    "that process has let go of the old one, or was restarted"
                )
                raise StoreUnavailable(Reason.UNREACHABLE, message)
            sleep(_LOCK_POLL_SECONDS)
        self._lost_log = False
        while self._strangers:
            self._strangers.pop().close()

    def _require_schema(self, state: _State) -> None:
        """Refuse a file that is another program's, of another version, or lacks the table."""
        if state.is_new:
            problem = "was emptied; put its content back, or restart to begin anew"
        elif state.application_id != APPLICATION_ID:
            problem = (
                "is a database of another program: its application_id is "
                f"{state.application_id:#010x}, not {APPLICATION_ID:#010x}"
            )
        elif state.version != SCHEMA_VERSION:
            problem = f"has schema version {state.version}; this release needs {SCHEMA_VERSION}"
        elif not state.has_orders:
            problem = "has lost its table, orders"
        else:
            return
        raise StoreUnavailable(Reason.SCHEMA, f"{self._path} {problem}")

    def _unavailable(self, error: sqlite3.Error) -> StoreUnavailable:
        # Errors that Python raises itself carry no code of SQLite's.
        code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
        reason, message = _REASONS.get(code, Reason.FAILED), f"{self._path}: {error}"
        if code == sqlite3.SQLITE_IOERR and _free_bytes(self._path) == 0:
            reason, message = Reason.EXHAUSTED, f"{message}; the disk is full"
        elif code in _OF_ACCESS and self._path.is_file():
            unwritable = _unwritable(self._path)
            if unwritable:
                reason = Reason.READ_ONLY
                message += f"; this user cannot write to {' and '.join(map(str, unwritable))}"
        return StoreUnavailable(reason, message)


def _connect(path: Path, lock_seconds: float) -> sqlite3.Connection:
    return sqlite3.connect(
        # `rw` never makes a file. Encoded whole, so that no character means anything.
        f"file:{quote(os.fsencode(path), safe='')}?mode=rw",
        uri=True,
        timeout=lock_seconds,
        isolation_level=None,
        check_same_thread=False,
    )


def _is_alone(path: Path) -> bool:
    """Tell whether nobody else has the database open: each has a lock on it, until it closes it."""
    with closing(_connect(path, 0)) as connection:
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
            _state(connection)
        except sqlite3.OperationalError as error:
            if not _is_busy(error):
                raise
            return False
    return True


def _is_busy(error: sqlite3.OperationalError) -> bool:
    """Tell whether another connection has the lock."""
    return error.sqlite_errorcode & _PRIMARY_CODE == sqlite3.SQLITE_BUSY


def _free_bytes(path: Path) -> int | None:
    """Tell how much may still be written to the disk that the file is on; None when unknown."""
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return None
    blocks = disk.f_bavail if os.geteuid() else disk.f_bfree
    return blocks * disk.f_frsize if disk.f_blocks else None


def _may_write(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=True)


def _unwritable(path: Path) -> Sequence[Path]:
    """List what SQLite must write to and cannot: the file, its folder, and the log in there."""
    needed = (path, path.resolve().parent, LogPaths.of(path).log)
    return [each for each in needed if each.exists() and not _may_write(each)]


def has_room(path: Path) -> bool:
    """Tell whether the disk has room for a batch; also when that is unknown."""
    free = _free_bytes(path)
    return free is None or free >= _MIN_FREE_BYTES


def _saved(opened: _Opened) -> bool:
    """Put into the database what a log holds that only open connections have.

    When another one stands in its place, that is left to SQLite: the last process to close the
    database does it, when nobody else uses it.
    """
    if not opened.log.is_gone:
        return True
    try:
        ((_, logged, saved),) = opened.connection.execute(_SAVE).fetchall()
    except sqlite3.Error:
        return False
    return bool(logged == saved)


def _empty_log(connection: sqlite3.Connection) -> bool:
    """Put the log into the database and empty it; tell whether that was possible.

    Nothing happens to one that another process has emptied in this way. Of one that was cut off it
    fails when orders are missing.
    """
    try:
        ((busy, _, _),) = connection.execute(_EMPTY).fetchall()
    except sqlite3.OperationalError:
        return False
    return not busy


def _make(path: Path) -> None:
    """Make an empty file that its owner alone may use, unless something is there.

    SQLite would make it for everyone to read; it gives the log the mode of the file. It is
    made under another name, since to close a file drops the locks that the process has on it,
    those of another store's connection too (SQLite, "How To Corrupt An SQLite Database File").

    Raises:
        OSError: It cannot be made.
    """
    # What a link leads to is made, as SQLite does.
    target = path.resolve()
    if target.exists():
        return
    with TemporaryDirectory(dir=target.parent, prefix=".orders-") as folder:
        empty = Path(folder) / "empty"
        empty.touch(_NEW_FILE_MODE)
        # Another process may just have made it.
        with suppress(FileExistsError):
            target.hardlink_to(empty)


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log, which a file remembers for ever.

    Where another connection is just switching a new file, SQLite reports a lock without
    waiting for it: waiting could be for each other.
    """
    deadline = monotonic() + _LOCK_SECONDS
    while True:
        try:
            # Its row is fetched: PyPy would keep the statement open, and so a transaction.
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or monotonic() >= deadline:
                raise
            sleep(_LOCK_POLL_SECONDS)
        else:
            return


def _amounts(connection: sqlite3.Connection, ids: Sequence[OrderId]) -> dict[OrderId, Amount]:
    rows = connection.execute(_GET, (json.dumps([order_id.value for order_id in ids]),))
    return {OrderId.of_stored(order_id): Amount.from_cents(cents) for order_id, cents in rows}


def _cents(amount: str) -> int:
    """Read an amount of plain digits and at most two decimals in hundredths."""
    whole, _, fraction = amount.partition(".")
    return int(whole + fraction.ljust(2, "0"))


def _page(
    connection: sqlite3.Connection,
    limit: int,
    after: OrderId | None,
) -> list[tuple[str, int]]:
    if after is None:
        return connection.execute(_PAGE, (limit,)).fetchall()
    return connection.execute(_PAGE_AFTER, (after.value, limit)).fetchall()


def _state(connection: sqlite3.Connection) -> _State:
    ((application_id, version, has_schema, has_orders),) = connection.execute(_STATE).fetchall()
    return _State(application_id, version, bool(has_schema), bool(has_orders))


def _make_schema(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    # Another process may have made it while this one waited for the lock.
    if _state(connection).is_new:
        connection.execute(_SCHEMA)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")
