"""The schema of a file: whose file it is, its version, and the migrations to this release's."""

import sqlite3
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Final

from attrs import frozen

from orders_core.migrations import Migration, numbered

APPLICATION_ID: Final = int.from_bytes(b"ORDR", "big")
"""Marks our files, as SQLite's `application_id`. It is 0 in a new file, and in many others."""

MIGRATIONS: Final = numbered(resources.files("orders_sqlite").joinpath("migrations").iterdir())
"""This release's migrations. A file's `user_version` is the number of the last one applied."""

_STATE: Final = """
SELECT
    (SELECT application_id FROM pragma_application_id),
    (SELECT user_version FROM pragma_user_version),
    EXISTS (SELECT 1 FROM sqlite_schema),
    EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'orders')
"""


@frozen
class Schema:
    """What a file says about its schema.

    Attributes:
        application_id: Whose file it is.
        version: The last migration applied.
        has_tables: Whether there is any table.
        has_orders: Whether there is the table `orders`.
    """

    application_id: int
    version: int
    has_tables: bool
    has_orders: bool

    @classmethod
    def of(cls, connection: sqlite3.Connection) -> "Schema":
        """Read it."""
        ((application_id, version, *found),) = connection.execute(_STATE).fetchall()
        return cls(application_id, version, *map(bool, found))

    @property
    def is_new(self) -> bool:
        """Whether the file is empty."""
        return not (self.application_id or self.version or self.has_tables)

    def is_older(self, latest: int) -> bool:
        """Whether an earlier release made the file."""
        is_ours = self.application_id == APPLICATION_ID and self.has_orders
        return is_ours and 0 < self.version < latest

    def problem(self, latest: int) -> str | None:
        """Say why a release with the last migration `latest` cannot use the file, or None."""
        if self.is_new:
            return "was emptied; restore its content, or restart to begin with an empty file"
        if self.application_id != APPLICATION_ID:
            return (
                "is a database of another program: its application_id is "
                f"{self.application_id:#010x}, not {APPLICATION_ID:#010x}"
            )
        if self.version > latest:
            return (
                f"has schema version {self.version}, of a newer release; "
                f"this release knows versions up to {latest}"
            )
        if self.version < latest:
            return f"has schema version {self.version}; this release needs {latest}"
        return None if self.has_orders else "lacks its table, orders"


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration]) -> Sequence[Migration]:
    """Apply the migrations that a new or older file lacks, in one transaction.

    Returns:
        Those applied: none when another process was faster.
    """
    connection.execute("BEGIN IMMEDIATE")
    # Read under the lock: another process may have held it to migrate.
    schema = Schema.of(connection)
    missing = (
        migrations[schema.version :] if schema.is_new or schema.is_older(len(migrations)) else ()
    )
    for migration in missing:
        for statement in _statements(migration.sql):
            connection.execute(statement)
    if missing:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
    connection.execute("COMMIT")
    return missing


def _statements(sql: str) -> Iterator[str]:
    """Split a script: `executescript` would commit before it begins."""
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
