"""The PostgreSQL database that a database URL names."""

from contextlib import closing
from pathlib import Path

from attrs import frozen

from orders_core.database import Condition, InvalidDatabase
from orders_postgres.inspection import inspect
from orders_postgres.migrate import migrate
from orders_postgres.store import PostgresStore
from orders_postgres.url import DatabaseUrl, InvalidDatabaseUrl


@frozen
class PostgresDatabase:
    """Orders in a PostgreSQL database.

    Attributes:
        url: Where it is and how to reach it.
        holds_password: Whether the URL itself holds the password.
    """

    url: DatabaseUrl
    holds_password: bool = False

    @classmethod
    def parse(cls, url: str, password: str | Path | None) -> "PostgresDatabase":
        """Read a URL; see `DatabaseUrl.parse`.

        Args:
            url: The URL.
            password: The password, if the URL has none, or the path of a file that holds it.

        Raises:
            InvalidDatabase: With every problem found, none of which quotes the password.
        """
        file = password if isinstance(password, Path) else None
        text = password if isinstance(password, str) else None
        try:
            parsed = DatabaseUrl.parse(url, password=text, password_file=file)
        except InvalidDatabaseUrl as error:
            raise InvalidDatabase(*error.problems) from None
        return cls(parsed, holds_password=parsed.password is not None and text is None)

    def __str__(self) -> str:
        """Write as a URL without the password."""
        return str(self.url)

    @property
    def exists(self) -> bool:
        """Always, as far as can be known without connecting."""
        return True

    @property
    def can_be_created(self) -> bool:
        """Never: `CREATE DATABASE` is the administrator's."""
        return False

    @property
    def accepts_password(self) -> bool:
        """Always."""
        return True

    def useful_workers(self, cores: int) -> int:
        """One for each core."""
        return cores

    def open(self) -> PostgresStore:
        """Make a store; it connects when it is used."""
        return PostgresStore(self.url)

    def checked(self) -> "PostgresDatabase":
        """Check the database; see `Database.checked`. A server needs no pin."""
        with closing(self.open()) as store:
            store.check()
        return self

    def inspect(self) -> Condition:
        """Look at the certificates and the schema, on a new connection."""
        return inspect(self.url)

    def migrate(self, grant_to: str | None) -> tuple[str, ...]:
        """Apply the missing migrations; see `Database.migrate`."""
        return migrate(self.url, grant_to=grant_to)
