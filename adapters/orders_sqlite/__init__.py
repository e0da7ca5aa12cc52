"""A store in one SQLite file: the embedded default, no server needed."""

from orders_sqlite.files import FileIdentity
from orders_sqlite.store import SqliteStore, has_room

__all__ = ["FileIdentity", "SqliteStore", "has_room"]
