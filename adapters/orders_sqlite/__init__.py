"""A store in one SQLite file: the embedded default, no server needed."""

from orders_sqlite.store import FileIdentity, SqliteStore

__all__ = ["FileIdentity", "SqliteStore"]
