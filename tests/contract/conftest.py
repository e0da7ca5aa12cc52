"""What every test of the contract starts from; each test runs once for each kind of store."""

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
    """One database, cleared for each test: to make and drop one takes a second."""
    database = postgres_server.new_database()
    yield database
    database.drop()


@pytest.fixture(scope="session")
def pgbouncer_session(postgres_server: PostgresServer) -> Iterator[Pooler]:
    """The oldest PgBouncer there is, which keeps a session for each client."""
    with open_pooler(postgres_server, PoolMode.SESSION, pgbouncer_programs()[0]) as pooler:
        yield pooler


@pytest.fixture(scope="session")
def pgbouncer_transaction(postgres_server: PostgresServer) -> Iterator[Pooler]:
    """The newest one, which lends a session for each transaction."""
    with open_pooler(postgres_server, PoolMode.TRANSACTION, pgbouncer_programs()[-1]) as pooler:
        yield pooler


def makers_of_data(request: pytest.FixtureRequest, folder: Path) -> Callable[[], Data]:
    """Give what makes new data of the kind that the test runs for."""
    match request.param:
        case "memory":
            return MemoryData
        case "sqlite":
            numbers = count()
            return lambda: SqliteData(folder / f"orders-{next(numbers)}.db")
        case kind:
            # Asked for here, so that the other kinds start no server.
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
    """Make empty data, again and again; what was made before is not used any more."""
    return makers_of_data(request, tmp_path)


@pytest.fixture
def data(new_data: Callable[[], Data]) -> Data:
    """Data without an order."""
    return new_data()


@pytest.fixture
def store(data: Data) -> Iterator[OrderStore]:
    """A store without an order."""
    with closing(data.open()) as store:
        yield store


@pytest.fixture(params=DURABLE)
def durable_data(request: pytest.FixtureRequest, tmp_path: Path) -> Data:
    """Data without an order, of the kinds that outlive a process."""
    return makers_of_data(request, tmp_path)()


@pytest.fixture
def durable_store(durable_data: Data) -> Iterator[OrderStore]:
    """A store of the durable data."""
    with closing(durable_data.open()) as store:
        yield store
