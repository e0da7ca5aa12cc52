"""The database server under test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.small_disk import mounted
from tests.postgres_server import PostgresServer


@pytest.fixture(scope="module")
def own_server(own_server: PostgresServer) -> PostgresServer:
    """A server that a test may stop and start, with so few connections that a fault can use all."""
    own_server.configure(max_connections="30")
    own_server.restart()
    return own_server


@pytest.fixture
def small_disk(own_server: PostgresServer) -> Iterator[Path | None]:
    """A small disk, where one can be mounted; the server keeps the folders of earlier ones."""
    others = len(list(own_server.folder.glob("disk-*")))
    with mounted(own_server.folder / f"disk-{others}") as disk:
        yield disk
