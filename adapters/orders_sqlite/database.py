"""The SQLite file that a database URL names."""

import os
import re
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from attrs import evolve, frozen

from orders_core.database import Condition, InvalidDatabase
from orders_sqlite.disk import has_room
from orders_sqlite.files import FileIdentity
from orders_sqlite.limits import Limits
from orders_sqlite.store import SqliteStore

_PREFIX: Final = "sqlite:///"
_UNUSABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@frozen
class SqliteDatabase:
    """Orders in a SQLite file.

    Attributes:
        path: The file; relative to the working directory unless it begins with `/`.
        file: The file that must be there, once `checked` has found it.
    """

    path: Path
    file: FileIdentity | None = None

    @classmethod
    def parse(cls, url: str, _password: str | Path | None) -> "SqliteDatabase":
        """Read a URL: `sqlite:///FILE`, percent-encoded.

        Raises:
            InvalidDatabase: With every problem found.
        """
        text = url.removeprefix(_PREFIX)
        path = unquote(text, errors="surrogateescape")
        problems = []
        if not text:
            problems.append("it must name a file: sqlite:///FILE")
        if "?" in text or "#" in text:
            problems.append("a SQLite file has no parameters; write ? as %3F and # as %23")
        if _UNUSABLE.search(path):
            problems.append("the path is not UTF-8 or holds a control character")
        if path.startswith(":"):
            problems.append("the path must not begin with : such as :memory:, which keeps nothing")
        if problems:
            raise InvalidDatabase(*problems)
        return cls(Path(path))

    def __str__(self) -> str:
        """Write as a URL."""
        return f"{_PREFIX}{quote(str(self.path), safe='/~')}"

    @property
    def exists(self) -> bool:
        """Whether the file exists."""
        return self.path.exists()

    @property
    def can_be_created(self) -> bool:
        """Whether the file is missing, and its folder and disk have room for it."""
        folder = self.path.parent
        writable = folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
        return not self.exists and writable and has_room(self.path, Limits().free_bytes)

    @property
    def accepts_password(self) -> bool:
        """Never: a file has no password."""
        return False

    @property
    def holds_password(self) -> bool:
        """Never: a file has no password."""
        return False

    def useful_workers(self, cores: int) -> int:  # noqa: ARG002 - the Protocol's name
        """One: a file has one writer at a time, whose batches grow with the load."""
        return 1

    def open(self) -> SqliteStore:
        """Make a store; it opens the file at its first use, and migrates only a new one."""
        return SqliteStore(self.path, file=self.file, migrates=False)

    def checked(self) -> "SqliteDatabase":
        """Check the file, migrate an older one, and pin it; see `Database.checked`."""
        with closing(SqliteStore(self.path, file=self.file)) as store:
            store.check()
            return evolve(self, file=store.file)

    def inspect(self) -> Condition:
        """Measure the disk that holds the file."""
        try:
            disk = os.statvfs(self.path.parent)
        except OSError:
            # Without its folder, every operation of the store fails and says so.
            return Condition()
        return Condition(disk=(disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize))

    def migrate(self, grant_to: str | None) -> tuple[str, ...]:
        """Bring a new or older file to this release's schema; see `Database.migrate`."""
        if grant_to is not None:
            message = "a SQLite file has no roles to grant to"
            raise InvalidDatabase(message)
        with closing(SqliteStore(self.path)) as store:
            store.check()
            return tuple(store.applied_migrations)
