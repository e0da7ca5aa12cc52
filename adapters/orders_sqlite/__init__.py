"""A store in one SQLite file: the default, which needs no server."""

from orders_sqlite.database import SqliteDatabase
from orders_sqlite.limits import Limits
from orders_sqlite.store import SqliteStore

__all__ = ["Limits", "SqliteDatabase", "SqliteStore"]
