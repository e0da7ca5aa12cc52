"""Bring a database to the schema of this release."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from orders_core import Reason, StoreUnavailable
from orders_postgres.connection import Connection, Limits, connect
from orders_postgres.schema import (
    Migration,
    applied_version,
    migrations,
    require_utf8,
)
from orders_postgres.url import DatabaseUrl

# A migration may take as long as it needs, but must not queue for long behind, and so in front
# of, the service's statements.
_LIMITS: Final = Limits(lock=10.0, statement=None, idle_in_transaction=None, socket=None)

_LOCK: Final = "SELECT pg_advisory_lock(hashtext('orders_schema'))"
_UNLOCK: Final = "SELECT pg_advisory_unlock(hashtext('orders_schema'))"
_EXISTS: Final = "SELECT to_regclass('orders_schema') IS NOT NULL"
_RECORD: Final = "INSERT INTO orders_schema (version, name) VALUES ($1, $2)"
_ROLE_EXISTS: Final = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)"


def migrate(url: DatabaseUrl, grant_to: str | None = None) -> tuple[str, ...]:
    """Apply the migrations that the database lacks, each in a transaction of its own.

    Safe to run at any time and by several at once: an advisory lock lets one in at a time
    (PostgreSQL, "Advisory Locks"), and one that finds nothing to do does nothing.
    In a database that a newer release has migrated there is nothing to do.

    Args:
        url: The database, as the role that owns the schema.
        grant_to: A role that gets what the service needs and no more: SELECT and INSERT on
            the orders, SELECT on their totals and on the schema's version.

    Returns:
        The file names of the migrations that were applied now.

    Raises:
        StoreUnavailable: With the reason; what was applied before it stays applied.
    """
    connection = connect(url, _LIMITS)
    try:
        require_utf8(connection, url.place)
        with _alone(connection):
            applied = _apply(connection, migrations())
            if grant_to is not None:
                _grant(connection, grant_to, url.place)
            return applied
    finally:
        connection.close()


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """Hold the lock of migrations; a connection that breaks gives it back by itself."""
    connection.run(_LOCK)
    yield
    connection.run(_UNLOCK)


def _apply(connection: Connection, steps: Sequence[Migration]) -> tuple[str, ...]:
    ((exists,),) = connection.run(_EXISTS)
    version = applied_version(connection) if exists else 0
    missing = steps[version:]
    for step in missing:
        with connection.transaction():
            connection.script(step.sql)
            connection.run(_RECORD, step.version, step.name)
    return tuple(step.name for step in missing)


def _grant(connection: Connection, role: str, place: str) -> None:
    ((exists,),) = connection.run(_ROLE_EXISTS, role)
    if not exists:
        message = f"{place}: the role {role!r} does not exist; create it first (CREATE ROLE)"
        raise StoreUnavailable(Reason.REFUSED, message)
    quoted = '"' + role.replace('"', '""') + '"'
    with connection.transaction():
        connection.script(f"GRANT SELECT, INSERT ON orders TO {quoted}")
        connection.script(f"GRANT SELECT ON orders_schema, orders_totals TO {quoted}")
