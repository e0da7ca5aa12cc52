"""The server that the faults strike."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.small_disk import mounted
from tests.postgres_server import PostgresServer


@pytest.fixture(scope="module")
def own_server(own_server: PostgresServer) -> PostgresServer:
    """A server that a test may stop and start, with few connections: one fault takes all."""
    own_server.configure(max_connections="30")
    own_server.restart()
    return own_server


@pytest.fixture
def small_disk(own_server: PostgresServer) -> Iterator[Path | None]:
    """A disk that is soon full, where there can be one; the server keeps the folders of others."""
    others = len(list(own_server.folder.glob("disk-*")))
    with mounted(own_server.folder / f"disk-{others}") as disk:
        yield disk
