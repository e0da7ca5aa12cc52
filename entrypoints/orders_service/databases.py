"""Which adapter keeps the orders: chosen by the scheme of the database URL.

This is the one place that knows the stores that a URL can name. PostgreSQL's adapter is imported
only when it is asked for, so that the embedded default needs no driver.
"""

import os
import re
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

from attrs import evolve, frozen

from orders_core import OrderStore
from orders_sqlite import FileIdentity, SqliteStore, has_room

if TYPE_CHECKING:
    from orders_postgres import DatabaseUrl

_SQLITE: Final = "sqlite:///"
_POSTGRES: Final = ("postgresql://", "postgres://")
_UNUSABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class InvalidDatabase(ValueError):
    """A database URL cannot be used.

    Attributes:
        problems: Everything that is wrong, at least one.
    """

    def __init__(self, *problems: str) -> None:
        """Take every problem found."""
        super().__init__("; ".join(problems))
        self.problems = problems


@frozen
class Condition:
    """What is known of a database besides whether it answers; what is not known is missing.

    Attributes:
        expiries: By name, when a certificate expires, in seconds since 1970.
        schema: The version of the schema that is there, and the one that this release needs.
        disk: The free bytes of the disk that the file is on, and all its bytes.
        notes: What the people who run the service should know besides, one sentence each.
    """

    expiries: Mapping[str, float] = {}
    schema: tuple[int, int] | None = None
    disk: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()


@frozen
class SqliteFile:
    """Orders in a SQLite file.

    Attributes:
        path: The file; relative to the working directory unless it begins with `/`.
        file: Which one it has to be, when it was found already.
    """

    path: Path
    file: FileIdentity | None = None

    @property
    def holds_password(self) -> bool:
        """Never: a file has none."""
        return False

    def __str__(self) -> str:
        """Write as a URL."""
        return f"{_SQLITE}{quote(str(self.path), safe='/~')}"

    @property
    def exists(self) -> bool:
        """Whether the file is there; opening the store makes it when it is not."""
        return self.path.exists()

    @property
    def is_to_be_made(self) -> bool:
        """Whether the file is not there, and its folder takes new ones."""
        folder = self.path.parent
        takes_new = folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
        return not self.exists and takes_new and has_room(self.path)

    def useful_workers(self, cores: int) -> int:  # noqa: ARG002 - as for PostgreSQL
        """One: a file takes one writer at a time, whose batches grow as requests come."""
        return 1

    def open(self) -> OrderStore:
        """Make the store; the file is opened at its first use."""
        return SqliteStore(self.path, file=self.file)

    def found(self) -> "SqliteFile":
        """Try it, and give it as it was found: every store of that keeps to this very file.

        Raises:
            StoreUnavailable: The file cannot be opened, or has another schema version.
        """
        with closing(SqliteStore(self.path, file=self.file)) as store:
            store.check()
            return evolve(self, file=store.file)

    def inspect(self) -> Condition:
        """Look at the disk that the file is on."""
        try:
            disk = os.statvfs(self.path.parent)
        except OSError:
            # A folder that is gone fails every operation of the store, which says so.
            return Condition()
        return Condition(disk=(disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize))

    def migrate(self, grant_to: str | None) -> tuple[str, ...]:
        """Make the table when it is not there.

        Raises:
            InvalidDatabase: Rights were to be granted; a file has no roles.
            StoreUnavailable: The file cannot be opened, or has another schema version.
        """
        if grant_to is not None:
            message = "a SQLite file has no roles to grant to"
            raise InvalidDatabase(message)
        created = not self.exists
        store = SqliteStore(self.path)
        store.check()
        store.close()
        return ("orders",) if created else ()


@frozen
class PostgresDatabase:
    """Orders in a PostgreSQL database.

    Attributes:
        url: Where it is and how to reach it.
        holds_password: Whether the URL itself holds the password.
    """

    url: "DatabaseUrl"
    holds_password: bool

    def __str__(self) -> str:
        """Write as a URL without the password."""
        return str(self.url)

    @property
    def exists(self) -> bool:
        """Always, as far as can be known without asking: the store makes no database."""
        return True

    @property
    def is_to_be_made(self) -> bool:
        """Never: the store makes no database."""
        return False

    def useful_workers(self, cores: int) -> int:
        """One for each core that this process may use."""
        return cores

    def open(self) -> OrderStore:
        """Make the store; connections are made when they are needed."""
        from orders_postgres import PostgresStore  # noqa: PLC0415 - an extra

        return PostgresStore(self.url)

    def found(self) -> "PostgresDatabase":
        """Try it, through a store that nobody else uses.

        Raises:
            StoreUnavailable: The database cannot be reached, or lacks migrations.
        """
        with closing(self.open()) as store:
            store.check()
        return self

    def inspect(self) -> Condition:
        """Look at certificates and schema, on a connection of its own."""
        from orders_postgres import SCHEMA_VERSION, inspect  # noqa: PLC0415 - an extra

        found = inspect(self.url)
        version = found.schema_version
        schema = None if version is None else (version, SCHEMA_VERSION)
        return Condition(found.expiries, schema, notes=found.notes)

    def migrate(self, grant_to: str | None) -> tuple[str, ...]:
        """Apply the migrations that are missing.

        Args:
            grant_to: The service's role, which gets the rights it needs and no others.

        Returns:
            The names of the migrations applied.

        Raises:
            StoreUnavailable: The database cannot be reached or changed.
        """
        from orders_postgres import migrate  # noqa: PLC0415 - an extra

        return migrate(self.url, grant_to=grant_to)


Database = SqliteFile | PostgresDatabase


def parse_database(
    url: str,
    *,
    password: str | None = None,
    password_file: Path | None = None,
) -> Database:
    """Read a database URL.

    Args:
        url: `sqlite:///FILE`, or PostgreSQL's connection URI.
        password: The password for PostgreSQL, when the URL has none; a file needs none.
        password_file: A file that holds it, read again for each connection.

    Raises:
        InvalidDatabase: With every problem found, none of which tells the password.
    """
    if url.startswith(_SQLITE) and len(url) > len(_SQLITE):
        return _sqlite(url.removeprefix(_SQLITE))
    if url.startswith(_POSTGRES):
        return _postgres(url, password, password_file)
    message = "it must begin with sqlite:/// and a file, or with postgresql://"
    raise InvalidDatabase(message)


def _sqlite(text: str) -> SqliteFile:
    problems = []
    path = unquote(text, errors="surrogateescape")
    if "?" in text or "#" in text:
        problems.append("a SQLite file has no parameters; write ? as %3F and # as %23")
    if _UNUSABLE.search(path):
        problems.append("the path is not UTF-8 or holds a control character")
    if path.startswith(":"):
        problems.append("the path must not begin with : such as :memory:, which keeps nothing")
    if problems:
        raise InvalidDatabase(*problems)
    return SqliteFile(Path(path))


def _postgres(url: str, password: str | None, password_file: Path | None) -> PostgresDatabase:
    from orders_postgres import DatabaseUrl, InvalidDatabaseUrl  # noqa: PLC0415 - an extra

    try:
        parsed = DatabaseUrl.parse(url, password=password, password_file=password_file)
    except InvalidDatabaseUrl as error:
        raise InvalidDatabase(*error.problems) from None
    return PostgresDatabase(parsed, parsed.password is not None and password is None)
