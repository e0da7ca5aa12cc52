"""A store in one SQLite file: the embedded default, no server needed."""

from orders_sqlite.database import SqliteDatabase
from orders_sqlite.limits import Limits
from orders_sqlite.store import SqliteStore

__all__ = ["Limits", "SqliteDatabase", "SqliteStore"]
