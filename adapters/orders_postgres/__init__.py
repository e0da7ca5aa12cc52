"""A store in PostgreSQL, reached by pg8000."""

from orders_core.missing_extras import needing

with needing("postgres", "asn1crypto", "pg8000"):
    from orders_postgres.database import PostgresDatabase
    from orders_postgres.inspection import inspect
    from orders_postgres.migrate import migrate
    from orders_postgres.parameters import SslMode, TargetSessionAttrs
    from orders_postgres.schema import SCHEMA_VERSION
    from orders_postgres.store import PostgresStore
    from orders_postgres.url import DatabaseUrl, Host, InvalidDatabaseUrl

__all__ = [
    "SCHEMA_VERSION",
    "DatabaseUrl",
    "Host",
    "InvalidDatabaseUrl",
    "PostgresDatabase",
    "PostgresStore",
    "SslMode",
    "TargetSessionAttrs",
    "inspect",
    "migrate",
]
