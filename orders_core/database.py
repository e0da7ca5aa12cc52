"""What a service needs of the database behind a store, as a Protocol."""

from collections.abc import Mapping, Sequence
from typing import Protocol, Self

from attrs import frozen

from orders_core.ports import OrderStore


class InvalidDatabase(ValueError):
    """A database URL, or a request to the database it names, cannot be used.

    Attributes:
        problems: Everything that is wrong, at least one.
    """

    def __init__(self, *problems: str) -> None:
        """Take every problem found."""
        super().__init__("; ".join(problems))
        self.problems = problems


@frozen
class Condition:
    """What is known of a database beyond whether it answers; unknown facts are left out.

    Attributes:
        expiries: By name, when a certificate expires, in seconds since 1970.
        schema: The version of the schema found, and the version that this release needs.
        disk: The free bytes and the total bytes of the disk that holds the file.
        notes: Advice to the operators, one sentence each.
    """

    expiries: Mapping[str, float] = {}
    schema: tuple[int, int] | None = None
    disk: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()


class Database(Protocol):
    """A database that can keep orders. `str` writes it as a URL without the password."""

    @property
    def exists(self) -> bool:
        """Whether the database exists, as far as can be known without connecting."""

    @property
    def can_be_created(self) -> bool:
        """Whether the database is missing, and opening a store would create it."""

    @property
    def accepts_password(self) -> bool:
        """Whether this kind of database has passwords."""

    @property
    def holds_password(self) -> bool:
        """Whether the URL itself holds the password."""

    def useful_workers(self, cores: int) -> int:
        """Return how many processes can usefully share the database on so many cores."""

    def open(self) -> OrderStore:
        """Make a store. Nothing is opened or connected before its first use."""

    def checked(self) -> Self:
        """Check the database as `OrderStore.check` does, for a service that starts, and pin it.

        A database that only this service can use is migrated, if an older release made it.

        Returns:
            The same database; every store of it refuses another file in its place.

        Raises:
            StoreUnavailable: The database is unavailable, or its schema does not fit.
        """

    def inspect(self) -> Condition:
        """Find out what the store's own errors do not tell. Never raises."""

    def migrate(self, grant_to: str | None) -> Sequence[str]:
        """Apply the missing migrations.

        Args:
            grant_to: A role to grant the service's rights to, and no others.

        Returns:
            The names of the migrations applied.

        Raises:
            InvalidDatabase: Rights were to be granted, and this kind of database has no roles.
            StoreUnavailable: The database cannot be reached or changed.
        """
