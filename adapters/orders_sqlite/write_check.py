"""Proves, for the check, that something can be written and flushed to the disk."""

import sqlite3
from collections.abc import Callable

from attrs import define, field

from orders_sqlite.errors import is_busy
from orders_sqlite.limits import Limits
from orders_sqlite.schema import Schema


@define
class Proof:
    """When a file was last known to have been written to.

    Attributes:
        connection: The connection of the check.
        limits: How long a write counts as a proof.
        clock: Tells the time in seconds.
        last_write: When any connection was last known to have written.
    """

    connection: sqlite3.Connection
    limits: Limits
    clock: Callable[[], float]
    last_write: float
    _version: int = field(init=False)
    _proven: float | None = None

    @_version.default
    def _version_now(self) -> int:
        ((version,),) = self.connection.execute("PRAGMA data_version").fetchall()
        return int(version)

    def write(self) -> bool:
        """Write what the file already holds, unless that was done a moment ago.

        While another writer holds the lock, its commits are the proof.

        Returns:
            Whether something was written, and flushed to the disk.
        """
        if self._proven is not None and self.clock() - self._proven < self.limits.proof:
            return False
        try:
            self.connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not is_busy(error) or not self._holds_while_busy():
                raise
            return False
        version = Schema.of(self.connection).version
        self.connection.execute(f"PRAGMA user_version = {version}")
        self.connection.execute("COMMIT")
        return True

    def renew(self) -> None:
        """Note that the write is where it should be."""
        self._proven = self.last_write = self.clock()
        self._version = self._version_now()

    def _holds_while_busy(self) -> bool:
        """Tell whether others write, or have waited for no longer than a writer may take."""
        # It changes when another connection commits (SQLite, "PRAGMA data_version").
        version = self._version_now()
        if version != self._version:
            self._version, self.last_write = version, self.clock()
        return self.clock() - self.last_write < self.limits.busy
