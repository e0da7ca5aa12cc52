"""A store in PostgreSQL, reached by pg8000."""

from orders_postgres.migrate import migrate
from orders_postgres.schema import SCHEMA_VERSION
from orders_postgres.store import PostgresStore
from orders_postgres.url import DatabaseUrl, InvalidDatabaseUrl, SslMode

__all__ = [
    "SCHEMA_VERSION",
    "DatabaseUrl",
    "InvalidDatabaseUrl",
    "PostgresStore",
    "SslMode",
    "migrate",
]
