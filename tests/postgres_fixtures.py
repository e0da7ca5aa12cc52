"""Fixtures: one PostgreSQL server for each run (each worker), one new database for each test."""

from collections.abc import Iterator
from functools import partial

import pytest

from orders_postgres import PostgresStore
from orders_postgres.connection import connect
from orders_postgres.settings import Limits
from tests.postgres_server import OrdersDatabase, PostgresServer, open_server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A server that every test may use, and that none may stop."""
    with open_server() as server:
        yield server


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """A server that a test may stop and start; each leaves it running."""
    with open_server() as server:
        yield server


@pytest.fixture
def orders_database(postgres_server: PostgresServer) -> Iterator[OrdersDatabase]:
    """A database of its own for each test: migrated, empty."""
    database = postgres_server.new_database()
    try:
        yield database
    finally:
        database.drop()


@pytest.fixture
def postgres_store(orders_database: OrdersDatabase) -> Iterator[PostgresStore]:
    """The store as the service opens it, on a database of its own."""
    store = orders_database.store()
    try:
        yield store
    finally:
        store.close()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let stores wait longer than the service does: a machine may be busy."""
    limits = Limits(lock=30, statement=30, socket=60)
    monkeypatch.setattr("orders_postgres.store.connect", partial(connect, limits=limits))


@pytest.fixture
def patient_for_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let stores wait until the server itself finds that something takes too long."""
    monkeypatch.setattr("orders_postgres.store.connect", partial(connect, limits=Limits(socket=60)))
