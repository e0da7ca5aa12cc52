"""Where each kind of store keeps its orders, seen alike: the one place that tells them apart."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final, Protocol

from attrs import field, frozen

from orders_core import OrderStore
from orders_memory import MemoryStore
from orders_postgres import DatabaseUrl, PostgresStore
from orders_sqlite import SqliteStore


class Data(Protocol):
    """Orders, at first none, and the way to open a store of them.

    Attributes:
        durable: Whether the orders outlive a store and its process. Durable data can be
            pickled, and opened by several stores at once, in several processes.
    """

    durable: ClassVar[bool]

    def open(self) -> OrderStore:
        """Open a store of these orders: a new one if the data is durable."""


@frozen
class MemoryData:
    """Orders that live in the one store that holds them."""

    durable: ClassVar[bool] = False
    _store: MemoryStore = field(factory=MemoryStore)

    def open(self) -> OrderStore:
        """Give the store."""
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
        """Connect, with a connection for each thread of any test and time to wait for it."""
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
"""Every kind of store; a new one is added here and in `makers_of_data`."""
