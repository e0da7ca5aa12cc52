"""Fixtures of the contract tests; each test runs once for each kind of store."""

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from orders_core import OrderStore
from tests.contract.data import KINDS, Data, MemoryData, PooledData, PostgresData, SqliteData
from tests.pgbouncer import Pooler, PoolMode, open_pooler, pgbouncer_programs
from tests.postgres_server import OrdersDatabase, PostgresServer

ALL = list(KINDS)
DURABLE = [name for name, kind in KINDS.items() if kind.durable]


@pytest.fixture(scope="session")
def contract_database(postgres_server: PostgresServer) -> Iterator[OrdersDatabase]:
    """One database, cleared for each test: creating and dropping one takes a second."""
    database = postgres_server.new_database()
    yield database
    database.drop()


@pytest.fixture(scope="session")
def pgbouncer_session(postgres_server: PostgresServer) -> Iterator[Pooler]:
    """The oldest available PgBouncer, in session mode."""
    with open_pooler(postgres_server, PoolMode.SESSION, pgbouncer_programs()[0]) as pooler:
        yield pooler


@pytest.fixture(scope="session")
def pgbouncer_transaction(postgres_server: PostgresServer) -> Iterator[Pooler]:
    """The newest available PgBouncer, in transaction mode."""
    with open_pooler(postgres_server, PoolMode.TRANSACTION, pgbouncer_programs()[-1]) as pooler:
        yield pooler


def makers_of_data(request: pytest.FixtureRequest, folder: Path) -> Callable[[], Data]:
    """Return a function that makes new data of the kind under test."""
    match request.param:
        case "memory":
            return MemoryData
        case "sqlite":
            numbers = count()
            return lambda: SqliteData(folder / f"orders-{next(numbers)}.db")
        case kind:
            # Requested here, so that the other kinds start no server.
            database: OrdersDatabase = request.getfixturevalue("contract_database")
            data = PostgresData(database.url())
            if kind != "postgres":
                pooler: Pooler = request.getfixturevalue(kind.replace(" ", "_"))
                data = PooledData(pooler.before(database.url()))

            def cleared() -> Data:
                database.clear()
                return data

            return cleared


@pytest.fixture(params=ALL)
def new_data(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Data]:
    """A function that makes empty data; data that it made before must not be used again."""
    return makers_of_data(request, tmp_path)


@pytest.fixture
def data(new_data: Callable[[], Data]) -> Data:
    """Empty data."""
    return new_data()


@pytest.fixture
def store(data: Data) -> Iterator[OrderStore]:
    """An empty store."""
    with closing(data.open()) as store:
        yield store


@pytest.fixture(params=DURABLE)
def durable_data(request: pytest.FixtureRequest, tmp_path: Path) -> Data:
    """Empty data of the kinds that outlive a process."""
    return makers_of_data(request, tmp_path)()


@pytest.fixture
def durable_store(durable_data: Data) -> Iterator[OrderStore]:
    """A store of the durable data."""
    with closing(durable_data.open()) as store:
        yield store
