"""The server that the faults strike."""

import pytest

from tests.postgres_server import PostgresServer


@pytest.fixture(scope="module")
def own_server(own_server: PostgresServer) -> PostgresServer:
    """A server that a test may stop and start, with few connections: one fault takes all."""
    own_server.configure(max_connections="30")
    own_server.restart()
    return own_server
