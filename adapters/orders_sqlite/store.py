"""Orders in one SQLite file: write-ahead log, one flush to the disk for each commit."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from time import monotonic, sleep
from typing import Final

from attrs import define, field

from orders_core import (
    Amount,
    Order,
    OrderId,
    Outcome,
    Reason,
    StoreUnavailable,
    Totals,
    decimal_of_cents,
    judge,
)

SCHEMA_VERSION: Final = 1
"""Kept in the file as SQLite's `user_version`; 0 is a new file."""

_LOCK_SECONDS: Final = 1.0
_LOCK_POLL_SECONDS: Final = 0.01

# Amounts are integer hundredths: SQLite would keep NUMERIC(15,2) as a double.
_SCHEMA: Final = """
CREATE TABLE orders (
    id TEXT NOT NULL PRIMARY KEY COLLATE BINARY,
    amount INTEGER NOT NULL CHECK (amount BETWEEN 0 AND 999999999999999)
) STRICT, WITHOUT ROWID
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


class SqliteStore:
    """An `OrderStore` in one SQLite file. Safe to share by threads and by processes.

    The file is opened at the first use, and made when it is not there. Every commit is
    flushed to the disk before it is reported (`synchronous=FULL`; SQLite, "PRAGMA
    Statements").
    """

    def __init__(self, path: str | Path) -> None:
        """Take the path of the file; nothing is opened yet."""
        self._path = Path(path)
        # In write-ahead mode readers and the writer do not wait for each other.
        self._writer = _Lane()
        self._reader = _Lane()

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
            return outcomes

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
            elif after is not None:
                rows = connection.execute(_PAGE_AFTER, (after.value, limit)).fetchall()
            else:
                rows = connection.execute(_PAGE, (limit,)).fetchall()
        return [Order(order_id, Amount.from_cents(cents)) for order_id, cents in rows]

    def totals(self) -> Totals:
        """Count and sum; see `OrderStore.totals`."""
        with self._connection(self._reader) as connection:
            ((count, units, cents),) = connection.execute(_TOTALS).fetchall()
        return Totals(count, decimal_of_cents(units * _TOTALS_UNIT + cents))

    def check(self) -> None:
        """Read from the file and compare its schema version; see `OrderStore.check`."""
        with self._connection(self._reader) as connection:
            connection.execute(_PAGE, (1,)).fetchall()

    def close(self) -> None:
        """Close the file; see `OrderStore.close`."""
        for lane in (self._reader, self._writer):
            with lane.lock:
                _discard(lane)

    @contextmanager
    def _connection(self, lane: _Lane) -> Iterator[sqlite3.Connection]:
        """Give the lane's connection, and leave none behind in an open transaction."""
        with lane.lock:
            try:
                if lane.connection is None:
                    lane.connection = self._open()
                yield lane.connection
            except sqlite3.Error as error:
                _discard(lane)
                raise self._unavailable(error) from error
            except BaseException:
                _discard(lane)
                raise

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            timeout=_LOCK_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            _write_ahead(connection)
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA fullfsync = ON")
            self._ensure_schema(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _ensure_schema(self, connection: sqlite3.Connection) -> None:
        """Make the table in a new file; refuse a file of another version."""
        version = _schema_version(connection)
        if version == 0:
            connection.execute("BEGIN IMMEDIATE")
            # Another process may have made it while this one waited for the lock.
            version = _schema_version(connection)
            if version == 0:
                connection.execute(_SCHEMA)
                version = SCHEMA_VERSION
                connection.execute(f"PRAGMA user_version = {version}")
            connection.execute("COMMIT")
        if version != SCHEMA_VERSION:
            message = (
                f"{self._path} has schema version {version}; this release needs {SCHEMA_VERSION}"
            )
            raise StoreUnavailable(Reason.SCHEMA, message)

    def _unavailable(self, error: sqlite3.Error) -> StoreUnavailable:
        # Errors that Python raises itself carry no code of SQLite's.
        code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
        return StoreUnavailable(_REASONS.get(code, Reason.FAILED), f"{self._path}: {error}")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log, which a file remembers for ever.

    Where another connection is just switching a new file, SQLite reports a lock without
    waiting for it: waiting could be for each other.
    """
    deadline = monotonic() + _LOCK_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            locked = error.sqlite_errorcode & _PRIMARY_CODE == sqlite3.SQLITE_BUSY
            if not locked or monotonic() >= deadline:
                raise
            sleep(_LOCK_POLL_SECONDS)
        else:
            return


def _amounts(connection: sqlite3.Connection, ids: Sequence[OrderId]) -> dict[OrderId, Amount]:
    rows = connection.execute(_GET, (json.dumps([order_id.value for order_id in ids]),))
    return {OrderId(order_id): Amount.from_cents(cents) for order_id, cents in rows}


def _schema_version(connection: sqlite3.Connection) -> int:
    ((version,),) = connection.execute("PRAGMA user_version").fetchall()
    return int(version)


def _discard(lane: _Lane) -> None:
    """Close the lane's connection, which rolls back what was not committed."""
    if lane.connection is not None:
        connection, lane.connection = lane.connection, None
        connection.close()
