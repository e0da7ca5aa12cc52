"""A file as releases left it before there were migrations."""

import sqlite3
from contextlib import closing
from pathlib import Path

_CONTENT = """
CREATE TABLE orders (
    id TEXT NOT NULL PRIMARY KEY COLLATE BINARY,
    amount INTEGER NOT NULL CHECK (amount BETWEEN 0 AND 999999999999999)
) STRICT, WITHOUT ROWID;
PRAGMA application_id = 0x4F524452;
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
INSERT INTO orders VALUES ('a', 1230), ('b', 100);
"""


def make_first_file(path: Path) -> Path:
    """Make the file, with two orders."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(_CONTENT)
    return path
