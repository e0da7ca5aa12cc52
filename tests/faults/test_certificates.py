"""Nothing is lost, duplicated or made up when certificates are replaced, or have expired."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from tests.certificates import Authority
from tests.faults.stage import loaded, wait_until_not_ready
from tests.faults.traffic import ORDERS, ORDERS_BETWEEN
from tests.postgres.secure_server import SERVER_HOSTS, Client, SecureServer, open_secure_server
from tests.postgres_server import SERVICE

EXPIRED: Final = timedelta(minutes=-5)
SERIAL: Final = "SELECT DISTINCT client_serial::text FROM pg_stat_ssl WHERE client_dn IS NOT NULL"


@pytest.fixture(scope="module")
def secure_server() -> Iterator[SecureServer]:
    with open_secure_server() as server:
        yield server


@pytest.fixture
def client(secure_server: SecureServer, tmp_path: Path) -> Iterator[Client]:
    """A client with good files, and a new database."""
    secure_server.database = secure_server.server.new_database()
    client = Client(secure_server, tmp_path)
    client.prepare()
    yield client
    secure_server.show_usual()


def test_every_acknowledged_order_is_stored_once_while_certificates_are_replaced(
    client: Client,
) -> None:
    server = client.server
    with loaded(client.url_text(connect_timeout="2"), server.database) as clients:
        while len(clients.acknowledged) < ORDERS:
            clients.wait_for_orders(ORDERS_BETWEEN // 2)
            intermediate = Authority("Another year", server.authority)
            server.show(intermediate.issue("localhost", *SERVER_HOSTS))
            issued = intermediate.issue(SERVICE)
            client.identify(issued)
            # All connections are replaced at once.
            server.database.end_sessions()
            clients.wait_for_recovery()
            assert server.database.run(SERIAL) == [[str(issued.certificate.serial_number)]]
        assert clients.refusals == 0


@pytest.mark.parametrize("side", ["server", "client"])
def test_an_expired_certificate_is_reported_and_replacing_it_is_enough(
    client: Client,
    side: str,
) -> None:
    server = client.server
    with loaded(client.url_text(connect_timeout="2"), server.database) as clients:
        clients.wait_for_orders(ORDERS // 2)
        if side == "server":
            server.show(server.authority.issue("localhost", *SERVER_HOSTS, valid_for=EXPIRED))
        else:
            client.identify(server.authority.issue(SERVICE, valid_for=EXPIRED))
        server.database.end_sessions()
        wait_until_not_ready(clients.service, "certificate")
        wait_until_not_ready(clients.service, "expired")
        clients.wait_for_refusals()
        server.show_usual()
        client.prepare()
        clients.wait_for_recovery()
        clients.wait_for_orders(ORDERS // 2)
