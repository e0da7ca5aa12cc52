"""Fixtures: one PostgreSQL server for each worker of a run, one new database for each test."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from orders_postgres import PostgresStore
from orders_postgres.session_settings import Limits
from tests.postgres_server import OrdersDatabase, PostgresServer, open_server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A server for every test; no test may stop it."""
    with open_server() as server:
        yield server


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """A server that a test may stop and start; each test leaves it running."""
    with open_server() as server:
        yield server


@pytest.fixture
def orders_database(postgres_server: PostgresServer) -> Iterator[OrdersDatabase]:
    """A migrated, empty database for each test."""
    database = postgres_server.new_database()
    try:
        yield database
    finally:
        database.drop()


@pytest.fixture
def postgres_store(orders_database: OrdersDatabase) -> Iterator[PostgresStore]:
    """A store with the service's settings, on that database."""
    with closing(orders_database.store()) as store:
        yield store


@pytest.fixture
def patient_store(orders_database: OrdersDatabase) -> Iterator[PostgresStore]:
    """A store that waits longer than the service does: the machine may be busy."""
    with closing(orders_database.store(limits=Limits(lock=30, statement=30, socket=60))) as store:
        yield store


@pytest.fixture
def store_that_waits(orders_database: OrdersDatabase) -> Iterator[PostgresStore]:
    """A store that waits until the server itself reports that something takes too long."""
    with closing(orders_database.store(limits=Limits(socket=60))) as store:
        yield store
