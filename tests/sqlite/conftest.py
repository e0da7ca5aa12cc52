from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from orders_sqlite import Limits, SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of the file, which does not exist yet."""
    return tmp_path / "orders.db"


@pytest.fixture
def limits() -> Limits:
    """The store's limits; a test that needs others parametrizes them."""
    return Limits()


@pytest.fixture
def store(path: Path, limits: Limits) -> Iterator[SqliteStore]:
    """A store that has opened nothing yet."""
    with closing(SqliteStore(path, limits=limits)) as store:
        yield store
