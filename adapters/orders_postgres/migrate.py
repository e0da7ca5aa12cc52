"""Migrate a database to the schema of this release."""

from collections.abc import Sequence
from typing import Final

from attrs import frozen

from orders_core import Reason, StoreUnavailable
from orders_core.migrations import Migration
from orders_postgres.connection import Connection
from orders_postgres.open_connection import connect
from orders_postgres.schema import (
    applied_version,
    migrations,
    require_utf8,
)
from orders_postgres.session_settings import Limits
from orders_postgres.sql import identifier
from orders_postgres.url import DatabaseUrl

# A migration may run as long as it needs. But while it waits for a lock, the service's statements
# queue behind it, so that wait is short.
LIMITS: Final = Limits(lock=10.0, statement=None, idle_in_transaction=None, socket=None)

# Released when the transaction ends: behind a pooler, the next one may run in another session.
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtext('orders_schema'))"
# Read from the table itself: in a transaction that has waited for the lock, `to_regclass` may
# return an outdated answer.
_EXISTS: Final = """
SELECT EXISTS (
    SELECT FROM pg_class WHERE relname = 'orders_schema' AND pg_table_is_visible(oid)
)
"""
_RECORD: Final = "INSERT INTO orders_schema (version, name) VALUES ($1, $2)"
_ROLE_EXISTS: Final = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)"
_RIGHTS: Final = """
SELECT current_user, current_database(), current_schema(),
    coalesce(has_schema_privilege(current_schema(), 'CREATE'), false),
    (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = to_regclass('orders_schema')),
    (SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('orders_schema')),
    coalesce(has_table_privilege(to_regclass('orders_schema'), 'SELECT'), false)
"""


def migrate(url: DatabaseUrl, grant_to: str | None = None) -> tuple[str, ...]:
    """Apply the missing migrations, each in its own transaction.

    Safe to run at any time, and several times at once: each migration runs under an advisory lock
    (PostgreSQL, "Advisory Locks"). A database that is up to date, or was migrated by a newer
    release, stays as it is.

    Args:
        url: The database, as the role that owns the schema.
        grant_to: A role to grant exactly the privileges that the service needs: SELECT and INSERT
            on the orders, SELECT on their totals and on the schema's version.

    Returns:
        The file names of the migrations that were applied.

    Raises:
        StoreUnavailable: With the reason; migrations applied before the failure stay applied.
    """
    connection = connect(url, LIMITS)
    try:
        require_utf8(connection, url.address)
        rights = _Rights(*connection.run(_RIGHTS)[0])
        applied = _apply(connection, migrations(), rights, url.address)
        if grant_to is not None:
            _grant(connection, grant_to, rights, url.address)
        return applied
    finally:
        connection.close()


@frozen
class _Rights:
    """The privileges of the migrating role, before anything is changed.

    Attributes:
        role: The role.
        database: The database.
        schema: Where tables would be created; None if the role may use no schema at all.
        may_create: Whether it may create them there.
        owner: The owner of the tables, if they exist.
        is_owner: Whether it may act as the owner.
        may_read: Whether it may read which migrations were applied.
    """

    role: str
    database: str
    schema: str | None
    may_create: bool
    owner: str | None
    is_owner: bool | None
    may_read: bool

    def refusal(self) -> str | None:
        """Return why the role cannot change the schema, and what to grant; None if it can."""
        role = identifier(self.role)
        if self.owner is not None and not self.is_owner:
            return (
                f"the tables belong to the role {self.owner}, and {self.role} may not change them: "
                f"migrate as {self.owner}, or GRANT {identifier(self.owner)} TO {role}"
            )
        if self.may_create:
            return None
        schema = "public" if self.schema is None else self.schema
        return (
            f"the role {self.role} may not create tables in the schema {schema}: as the owner of "
            f"the database, GRANT USAGE, CREATE ON SCHEMA {identifier(schema)} TO {role}, "
            f"or ALTER DATABASE {identifier(self.database)} OWNER TO {role}"
        )


def _apply(
    connection: Connection,
    steps: Sequence[Migration],
    rights: _Rights,
    address: str,
) -> tuple[str, ...]:
    """Apply the missing steps; another process may apply some of them at the same time."""
    applied: list[str] = []
    if rights.owner is not None and not rights.may_read:
        _refuse(rights, address)
    while _version(connection) < len(steps):
        _refuse(rights, address)
        with connection.transaction():
            connection.run(_LOCK)
            version = _version(connection)
            for step in steps[version : version + 1]:
                connection.script(step.sql)
                connection.run(_RECORD, step.version, step.name)
                applied.append(step.name)
    return tuple(applied)


def _version(connection: Connection) -> int:
    ((exists,),) = connection.run(_EXISTS)
    return applied_version(connection) if exists else 0


def _refuse(rights: _Rights, address: str) -> None:
    """Refuse to continue if privileges are missing.

    Raises:
        StoreUnavailable: With what to grant.
    """
    refusal = rights.refusal()
    if refusal is not None:
        raise StoreUnavailable(Reason.REFUSED, f"{address}: {refusal}")


def _grant(connection: Connection, role: str, rights: _Rights, address: str) -> None:
    _refuse(rights, address)
    ((exists,),) = connection.run(_ROLE_EXISTS, role)
    if not exists:
        message = f"{address}: the role {role!r} does not exist; create it first (CREATE ROLE)"
        raise StoreUnavailable(Reason.REFUSED, message)
    with connection.transaction():
        connection.run(_LOCK)
        connection.script(f"GRANT SELECT, INSERT ON orders TO {identifier(role)}")
        connection.script(f"GRANT SELECT ON orders_schema, orders_totals TO {identifier(role)}")
