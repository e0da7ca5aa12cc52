"""A running service for the tests of the HTTP interface, on each store that people run it on."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orders_http.api.application import HttpSettings, create_app
from orders_http.api.hosts import HostRule
from orders_memory import MemoryStore
from orders_sqlite import SqliteStore
from tests.http.wsgi_client import WsgiClient
from tests.service_process import RunningService, running_service

if TYPE_CHECKING:
    from tests.postgres_server import PostgresServer


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def service(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningService]:
    """A service that the tests of a module share: each uses its own ids."""
    if request.param == "sqlite":
        folder = tmp_path_factory.mktemp("service")
        with running_service(f"sqlite:///{folder}/orders.db") as running:
            yield running
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    database = server.new_database()
    try:
        with running_service(server.url_text(database.name)) as running:
            yield running
    finally:
        database.drop()


@pytest.fixture(scope="module")
def sqlite_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service on SQLite, for tests that do not depend on the store."""
    folder = tmp_path_factory.mktemp("service")
    with running_service(f"sqlite:///{folder}/orders.db") as running:
        yield running


@pytest.fixture
def client() -> WsgiClient:
    """A client of the application over an empty store in memory."""
    return WsgiClient(create_app(MemoryStore(), HttpSettings("USD", HostRule())))


@pytest.fixture
def client_of_store_away(tmp_path: Path) -> WsgiClient:
    """A client of the application over a store that cannot be opened."""
    store = SqliteStore(tmp_path / "no such folder" / "orders.db")
    return WsgiClient(create_app(store, HttpSettings("USD", HostRule())))
