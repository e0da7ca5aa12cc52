"""The data behind each kind of store; no other module of the contract tells the kinds apart."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final, Protocol

from attrs import field, frozen

from orders_core import OrderStore
from orders_memory import MemoryStore
from orders_postgres import DatabaseUrl, PostgresStore
from orders_sqlite import SqliteStore


class Data(Protocol):
    """Orders, at first none, and a way to open a store of them.

    Attributes:
        durable: Whether the orders outlive a store and its process. Durable data can be
            pickled, and opened by several stores at once, in several processes.
    """

    durable: ClassVar[bool]

    def open(self) -> OrderStore:
        """Open a store of these orders: a new one if the data is durable."""


@frozen
class MemoryData:
    """Orders that exist only in their one store."""

    durable: ClassVar[bool] = False
    _store: MemoryStore = field(factory=MemoryStore)

    def open(self) -> OrderStore:
        """Return the store."""
        return self._store


@frozen
class SqliteData:
    """Orders in a file."""

    durable: ClassVar[bool] = True
    path: Path

    def open(self) -> OrderStore:
        """Open the file."""
        return SqliteStore(self.path)


@frozen
class PostgresData:
    """Orders in a database on a server."""

    durable: ClassVar[bool] = True
    url: DatabaseUrl

    def open(self) -> OrderStore:
        """Open a store with enough connections for the threads of any test, and time to get one."""
        return PostgresStore(self.url, connections=12, acquire_seconds=30)


@frozen
class PooledData(PostgresData):
    """Orders in a database behind a pooler."""


KINDS: Final[Mapping[str, type[Data]]] = {
    "memory": MemoryData,
    "sqlite": SqliteData,
    "postgres": PostgresData,
    "pgbouncer session": PooledData,
    "pgbouncer transaction": PooledData,
}
"""Every kind of store. Add a new kind here and in `makers_of_data`."""
