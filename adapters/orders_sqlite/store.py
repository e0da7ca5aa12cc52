"""Orders in one SQLite file: write-ahead log, one flush to the disk for each commit."""

import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from time import monotonic, sleep
from typing import Final
from urllib.parse import quote

from attrs import define, field, frozen

from orders_core import (
    Amount,
    Order,
    OrderId,
    Outcome,
    PageQuery,
    Reason,
    StoreUnavailable,
    Totals,
    decimal_of_cents,
    json_lines,
    judge,
)

APPLICATION_ID: Final = int.from_bytes(b"ORDR", "big")
"""Kept in the file as SQLite's `application_id`: it is ours. 0 is a new file, or another's."""

SCHEMA_VERSION: Final = 1
"""Kept in the file as SQLite's `user_version`; 0 is a new file, or another's."""

_NEW_FILE_MODE: Final = 0o600

_LOCK_SECONDS: Final = 1.0
_LOCK_POLL_SECONDS: Final = 0.01

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
_PRIMARY_CODE: Final = 0xFF


@define
class _Lane:
    """One connection and the lock that gives it to one thread at a time."""

    lock: Lock = field(factory=Lock)
    connection: sqlite3.Connection | None = None


@frozen
class FileIdentity:
    """Which file it is, whatever its name: a name may come to mean another one."""

    device: int
    inode: int


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


class SqliteStore:
    """An `OrderStore` in one SQLite file. Safe to share by threads and by processes.

    The file is opened at the first use, and made when it is not there, for its owner alone.
    Every commit is flushed to the disk before it is reported (`synchronous=FULL`; SQLite,
    "PRAGMA Statements").

    From the first opening on the store keeps to that very file. When it was deleted, or
    another one took its place, every call fails until it is put back: an order is never
    acknowledged into a file that nobody finds, nor into a new one that lacks the others.
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
        self._file = file

    @property
    def file(self) -> FileIdentity | None:
        """Which file it keeps to, once one was opened."""
        return self._file

    def add(self, orders: Sequence[Order], *, atomic: bool = False) -> Sequence[Outcome]:
        """Store the orders as one batch; see `OrderStore.add`."""
        if not orders:
            return ()
        with self._connection(self._writer) as connection:
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
            if rows and not (atomic and Outcome.CONFLICT in outcomes):
                connection.execute(_INSERT, (json.dumps(rows),))
            connection.execute("COMMIT")
            # Once more, since it may have been deleted meanwhile, and the orders with it.
            self._require_same_file()
            return outcomes

    def load(
        self,
        rows: Sequence[tuple[str, str]],
        *,
        meanwhile: Callable[[], None] = lambda: None,  # noqa: ARG002 - nothing is waited for
    ) -> bool:
        """Store orders that are all new; see `OrderStore.load`."""
        if not rows:
            return True
        in_cents = json.dumps([(order_id, _cents(amount)) for order_id, amount in rows])
        with self._connection(self._writer) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.execute(_INSERT, (in_cents,))
            except sqlite3.IntegrityError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
                    raise
                connection.execute("ROLLBACK")
                return False
            connection.execute("COMMIT")
            self._require_same_file()
            return True

    def get(self, ids: Sequence[OrderId]) -> Sequence[Order | None]:
        """Look up orders; see `OrderStore.get`."""
        with self._connection(self._reader) as connection:
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
        with self._connection(self._reader) as connection:
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
        with self._connection(self._reader) as connection:
            pages = [_page(connection, query.limit, query.after) for query in queries]
        return [
            json_lines((order_id, str(decimal_of_cents(cents))) for order_id, cents in rows)
            for rows in pages
        ]

    def totals(self) -> Totals:
        """Count and sum; see `OrderStore.totals`."""
        with self._connection(self._counter) as connection:
            ((count, units, cents),) = connection.execute(_TOTALS).fetchall()
        return Totals(count, decimal_of_cents(units * _TOTALS_UNIT + cents))

    def check(self) -> None:
        """Read from the file and look at its schema; see `OrderStore.check`."""
        with self._connection(self._reader) as connection:
            self._require_schema(_state(connection))
            connection.execute(_PAGE, (1,)).fetchall()

    def renew(self) -> None:
        """Do nothing: a file has no password and no certificate."""

    def close(self) -> None:
        """Close the file; see `OrderStore.close`."""
        for lane in (self._counter, self._reader, self._writer):
            with lane.lock:
                _discard(lane)

    @contextmanager
    def _connection(self, lane: _Lane) -> Iterator[sqlite3.Connection]:
        """Give the lane's connection, and leave none behind in an open transaction."""
        with lane.lock:
            try:
                if lane.connection is None:
                    lane.connection = self._open()
                self._require_same_file()
                yield lane.connection
            except sqlite3.Error as error:
                _discard(lane)
                raise self._unavailable(error) from error
            except OSError as error:
                _discard(lane)
                message = f"{self._path}: {error.strerror}"
                raise StoreUnavailable(Reason.UNREACHABLE, message) from error
            except BaseException:
                _discard(lane)
                raise

    def _open(self) -> sqlite3.Connection:
        if self._file is None:
            _make(self._path)
        else:
            self._require_same_file()
        file = _file_at(self._path)
        connection = sqlite3.connect(
            # `rw` never makes a file. Encoded whole, so that no character means anything.
            f"file:{quote(os.fsencode(self._path), safe='')}?mode=rw",
            uri=True,
            timeout=_LOCK_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
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
                self._require_schema(_state(connection))
        except BaseException:
            connection.close()
            raise
        if self._file is None:
            self._file = file
        return connection

    def _require_same_file(self) -> None:
        """Refuse to go on when the path does not lead to the file that was opened first."""
        try:
            found = _file_at(self._path)
        except FileNotFoundError:
            message = f"{self._path} was deleted; put it back, or restart to begin with a new file"
            raise StoreUnavailable(Reason.UNREACHABLE, message) from None
        if found != self._file:
            message = f"{self._path} was replaced by another file; restart to use that one"
            raise StoreUnavailable(Reason.UNREACHABLE, message)

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
        return StoreUnavailable(_REASONS.get(code, Reason.FAILED), f"{self._path}: {error}")


def _file_at(path: Path) -> FileIdentity:
    """Tell which file is there now.

    Raises:
        OSError: There is none, or it cannot be reached.
    """
    status = path.stat()
    return FileIdentity(status.st_dev, status.st_ino)


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
            locked = error.sqlite_errorcode & _PRIMARY_CODE == sqlite3.SQLITE_BUSY
            if not locked or monotonic() >= deadline:
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


def _discard(lane: _Lane) -> None:
    """Close the lane's connection, which rolls back what was not committed."""
    if lane.connection is not None:
        connection, lane.connection = lane.connection, None
        connection.close()
