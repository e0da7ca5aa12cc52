from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from orders_sqlite import SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file will be."""
    return tmp_path / "orders.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    """A store that has opened nothing yet."""
    with closing(SqliteStore(path)) as store:
        yield store
