"""Migrations: numbered files of SQL that bring a database to the schema of a release."""

import re
from collections.abc import Iterable
from importlib.resources.abc import Traversable
from typing import Final

from attrs import frozen

_FILE_NAME: Final = re.compile(r"(?P<version>[0-9]{4})_[a-z0-9_]+\.sql")


@frozen
class Migration:
    """One step of a schema.

    Attributes:
        version: Its number, counted from 1 without a gap.
        name: The name of its file.
        sql: Its statements; they run in one transaction.
    """

    version: int
    name: str
    sql: str


def numbered(files: Iterable[Traversable]) -> tuple[Migration, ...]:
    """Put migration files in order and check their numbering.

    Raises:
        ValueError: A file is not named like `0001_orders.sql`, or the numbers are not
            1, 2, 3 and so on.
    """
    found: list[Migration] = []
    for file in sorted(files, key=lambda each: each.name):
        match = _FILE_NAME.fullmatch(file.name)
        if match is None:
            raise ValueError(f"a migration is named like 0001_orders.sql, not {file.name}")
        found.append(Migration(int(match["version"]), file.name, file.read_text("utf-8")))
        if found[-1].version != len(found):
            raise ValueError(f"{file.name} should have the number {len(found):04d}")
    return tuple(found)
