"""The schema that this release needs, and the numbered files that lead to it."""

from importlib import resources
from typing import Final

from orders_core import Reason, StoreUnavailable
from orders_core.migrations import Migration, numbered
from orders_postgres.connection import Connection

_VERSION: Final = "SELECT coalesce(max(version), 0) FROM orders_schema"
# It names every column that the service reads, so that a missing right shows here.
_READABLE: Final = """
SELECT id, orders.amount, count, orders_totals.amount FROM orders, orders_totals LIMIT 1
"""


def migrations() -> tuple[Migration, ...]:
    """Read this release's migrations, in the order in which they are applied."""
    folder = resources.files("orders_postgres").joinpath("migrations")
    return numbered(folder.iterdir())


SCHEMA_VERSION: Final = len(migrations())
"""The number of this release's last migration; a database must have it, and may have more."""


def applied_version(connection: Connection) -> int:
    """Give the number of the last migration that was applied.

    Raises:
        StoreUnavailable: With `Reason.SCHEMA` when there was none.
    """
    ((version,),) = connection.run(_VERSION)
    return int(version)


def require_schema(connection: Connection, place: str) -> None:
    """Prove that the orders can be read, and that the schema has all that this release needs.

    A newer schema has it too: a migration only adds what older releases can do without, so
    that during an update the old release and the new one work side by side.

    Raises:
        StoreUnavailable: With the reason.
    """
    version = applied_version(connection)
    if version < SCHEMA_VERSION:
        missing = ", ".join(each.name for each in migrations()[version:])
        message = (
            f"{place}: the schema has version {version}, this release needs {SCHEMA_VERSION}: "
            f"run the migrations (missing: {missing})"
        )
        raise StoreUnavailable(Reason.SCHEMA, message)
    connection.run(_READABLE)


def require_utf8(connection: Connection, place: str) -> None:
    """Refuse a database that cannot hold every id.

    Raises:
        StoreUnavailable: With `Reason.SCHEMA`.
    """
    encoding = connection.server_encoding
    if encoding != "UTF8":
        message = f"{place}: the database's encoding is {encoding}; create it with UTF8"
        raise StoreUnavailable(Reason.SCHEMA, message)
