"""Calls whose statements run in PostgreSQL while no thread waits for the results."""

from collections.abc import Generator, Sequence
from typing import Any, TypeVar

from orders_core import StoreUnavailable
from orders_postgres.connection import Connection
from orders_postgres.errors import Interrupted
from orders_postgres.pool import Pool, PooledConnection
from orders_postgres.session import Row

_Result = TypeVar("_Result")

Statements = Generator[tuple[str, Sequence[str]], Sequence[Row], Sequence[_Result]]
"""Yields a prepared statement and its values, receives its rows, and returns the results."""


def run(statements: Statements[_Result], connection: Connection) -> Sequence[_Result]:
    """Run the statements one after the other, waiting for each."""
    try:
        statement, values = next(statements)
        while True:
            statement, values = statements.send(connection.run(statement, *values))
    except StopIteration as end:
        result: Sequence[_Result] = end.value
        return result


class PendingStatements:
    """Statements that run one after the other; see `orders_core.Pending`."""

    def __init__(self, pool: Pool, pooled: PooledConnection, statements: Statements[Any]) -> None:
        """Send the first statement; use `begin_statements` instead.

        Raises:
            StoreUnavailable: It cannot be sent.
        """
        self._pool = pool
        self._pooled = pooled
        self._statements = statements
        self._ended: Sequence[Any] | Exception | None = None
        self._send(*next(statements))

    def fileno(self) -> int:
        """Return the file descriptor of the connection's socket."""
        return self._pooled.connection.fileno()

    def proceed(self) -> bool:
        """Read what has arrived; once the result is complete, send the next statement."""
        try:
            rows = self._pooled.connection.receive()
            if rows is not None:
                self._send(*self._statements.send(rows))
        except StopIteration as end:
            self._ended = end.value
        except Interrupted:
            self._ended = None
        except Exception as error:  # noqa: BLE001 - `results` raises it
            self._ended = error
        else:
            return False
        return True

    def results(self) -> Sequence[Any] | None:
        """Return the connection to the pool, and the results; None if the connection was lost."""
        self._pool.release(self._pooled)
        if isinstance(self._ended, Exception):
            raise self._ended
        return self._ended

    def _send(self, statement: str, values: Sequence[str]) -> None:
        self._pooled.connection.send(statement, *values)


def begin_statements(pool: Pool, statements: Statements[Any]) -> PendingStatements | None:
    """Begin on an open, idle connection; return None if there is none that works."""
    try:
        pooled = pool.acquire_idle()
    except StoreUnavailable:
        return None
    if pooled is None:
        return None
    try:
        return PendingStatements(pool, pooled, statements)
    except StoreUnavailable:
        pool.release(pooled)
        return None
