"""The schema that this release needs, and the numbered migrations that create it."""

from importlib import resources
from typing import Final

from orders_core import Reason, StoreUnavailable
from orders_core.migrations import Migration, numbered
from orders_postgres.connection import Connection

_VERSION: Final = "SELECT coalesce(max(version), 0) FROM orders_schema"
# Names every column that the service reads, so that a missing privilege shows here.
_READABLE: Final = """
SELECT id, orders.amount, count, orders_totals.amount FROM orders, orders_totals LIMIT 1
"""


def migrations() -> tuple[Migration, ...]:
    """Read this release's migrations, in the order of their application."""
    folder = resources.files("orders_postgres").joinpath("migrations")
    return numbered(folder.iterdir())


SCHEMA_VERSION: Final = len(migrations())
"""The number of this release's last migration; a database needs it, and may have later ones."""


def applied_version(connection: Connection) -> int:
    """Return the number of the last applied migration.

    Raises:
        StoreUnavailable: With `Reason.SCHEMA` if none was applied.
    """
    ((version,),) = connection.run(_VERSION)
    return int(version)


def require_schema(connection: Connection, address: str) -> None:
    """Prove that the orders are readable, and that the schema is complete for this release.

    A newer schema is complete too: a migration adds only what older releases can do without, so
    during an update the old and the new release work side by side.

    Raises:
        StoreUnavailable: With the reason.
    """
    version = applied_version(connection)
    if version < SCHEMA_VERSION:
        missing = ", ".join(each.name for each in migrations()[version:])
        message = (
            f"{address}: the schema has version {version}, this release needs {SCHEMA_VERSION}: "
            f"run the migrations (missing: {missing})"
        )
        raise StoreUnavailable(Reason.SCHEMA, message)
    connection.run(_READABLE)


def require_utf8(connection: Connection, address: str) -> None:
    """Refuse a database that cannot hold every id.

    Raises:
        StoreUnavailable: With `Reason.SCHEMA`.
    """
    encoding = connection.server_encoding
    if encoding != "UTF8":
        message = f"{address}: the database's encoding is {encoding}; create it with UTF8"
        raise StoreUnavailable(Reason.SCHEMA, message)
