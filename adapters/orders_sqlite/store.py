"""Orders in one SQLite file: write-ahead log, one flush to the disk for each commit."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path
from time import monotonic
from typing import Final

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
from orders_core.migrations import Migration
from orders_sqlite.connections import Connections, SharedConnection
from orders_sqlite.disk import has_room
from orders_sqlite.files import FileIdentity
from orders_sqlite.limits import Limits
from orders_sqlite.schema import MIGRATIONS
from orders_sqlite.write_check import Proof

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


class SqliteStore:
    """An `OrderStore` in one SQLite file. Threads can share a store, and processes a file.

    The file is opened at the first use. If it does not exist, it is created for its owner alone.
    Every commit is flushed to the disk before it is reported (`synchronous=FULL`; SQLite,
    "PRAGMA Statements").

    Once opened, the store uses only that file. If it is deleted or replaced, every call fails until
    it is restored: an order is never acknowledged into a deleted file, nor into a new one that
    lacks the others. The write-ahead log and its index are watched in the same way. When one is
    lost, its orders are written into the database, and a new one is created once every process has
    closed the old one.
    """

    def __init__(  # noqa: PLR0913 - most have defaults
        self,
        path: str | Path,
        *,
        file: FileIdentity | None = None,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        clock: Callable[[], float] = monotonic,
        migrations: Sequence[Migration] = MIGRATIONS,
        migrates: bool = True,
    ) -> None:
        """Take the path of the file; nothing is opened yet.

        Args:
            path: The path of the file.
            file: The file that must be there; None accepts the first one that is opened.
            limits: How long to wait, and the room to require.
            clock: Tells the time in seconds, for the age of the proof of `check`.
            migrations: Lead to the schema that this release needs.
            migrates: Whether to migrate a file of an older release, which the older release then
                refuses; otherwise this store refuses it. A new file always gets the schema.
        """
        self._path = Path(path)
        self._limits = limits
        self._clock = clock
        # In write-ahead mode readers and the writer do not wait for each other.
        self._writer = SharedConnection()
        self._reader = SharedConnection()
        # A sum over millions takes long; a look-up must not wait for it.
        self._counter = SharedConnection()
        # The check must not wait for the others, nor they for it.
        self._checker = SharedConnection()
        shared = (self._counter, self._reader, self._checker, self._writer)
        self._connections = Connections(self._path, file, limits, migrations, migrates, shared)
        self._proof: Proof | None = None

    @property
    def file(self) -> FileIdentity | None:
        """The file that the store uses, once it has opened one."""
        return self._connections.file

    @property
    def applied_migrations(self) -> Sequence[str]:
        """The names of the migrations that this store has applied so far."""
        return [each.name for each in self._connections.applied]

    def begin(self, call: Call) -> Pending | None:
        """Begin nothing: every call waits; see `OrderStore.begin`."""

    def add(self, orders: Sequence[Order], *, atomic: bool = False) -> Sequence[Outcome]:
        """Store the orders as one batch; see `OrderStore.add`."""
        if not orders:
            return ()
        with self._connections.use(self._writer) as opened:
            connection = opened.connection
            # IMMEDIATE takes the write lock before reading. A deferred transaction would fail at
            # its first write if another connection had written since.
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
            # Checked again: if a file was deleted during the commit, the orders are lost.
            self._connections.require_same_files(opened, written=written)
            return outcomes

    def load(self, rows: Sequence[OrderRow]) -> bool:
        """Store orders that are all new; see `OrderStore.load`."""
        if not rows:
            return True
        in_cents = json.dumps([(order_id, _cents(amount)) for order_id, amount in rows])
        with self._connections.use(self._writer) as opened:
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
            self._connections.require_same_files(opened, written=True)
            return True

    def get(self, ids: Sequence[OrderId]) -> Sequence[Order | None]:
        """Look up orders; see `OrderStore.get`."""
        with self._connections.use(self._reader) as opened:
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
        with self._connections.use(self._reader) as opened:
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
        with self._connections.use(self._reader) as opened:
            connection = opened.connection
            pages = [_page(connection, query.limit, query.after) for query in queries]
        return [
            json_lines((order_id, str(decimal_of_cents(cents))) for order_id, cents in rows)
            for rows in pages
        ]

    def totals(self) -> Totals:
        """Count and sum; see `OrderStore.totals`."""
        with self._connections.use(self._counter) as opened:
            connection = opened.connection
            ((count, units, cents),) = connection.execute(_TOTALS).fetchall()
        return Totals(count, decimal_of_cents(units * _TOTALS_UNIT + cents))

    def check(self) -> None:
        """Check the schema, read, and write the schema's version again; see `OrderStore.check`.

        It writes through to the disk at most every two seconds. While another writer holds the
        lock, its commits are the proof. A lock without a commit for ten seconds proves nothing.
        """
        if not has_room(self._path, self._limits.free_bytes):
            message = f"{self._path}: its disk has less than {self._limits.free_bytes} bytes left"
            raise StoreUnavailable(Reason.EXHAUSTED, message)
        with self._connections.use(self._checker) as opened:
            connection = opened.connection
            self._connections.require_schema(connection)
            connection.execute(_PAGE, (1,)).fetchall()
            if self._proof is None or self._proof.connection is not connection:
                # A check that fails closes its connection. The next one continues from there.
                last_write = -inf if self._proof is None else self._proof.last_write
                self._proof = Proof(connection, self._limits, self._clock, last_write)
            if self._proof.write():
                self._connections.require_same_files(opened, written=True)
                self._proof.renew()

    def renew(self) -> None:
        """Do nothing: a file has no password and no certificate."""

    def close(self) -> None:
        """Close the file; see `OrderStore.close`."""
        self._connections.close()


def _amounts(connection: sqlite3.Connection, ids: Sequence[OrderId]) -> dict[OrderId, Amount]:
    rows = connection.execute(_GET, (json.dumps([order_id.value for order_id in ids]),))
    return {OrderId.of_stored(order_id): Amount.from_cents(cents) for order_id, cents in rows}


def _cents(amount: str) -> int:
    """Convert an amount of plain digits and at most two decimals to hundredths."""
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
