"""What monitoring learns of a database: the current certificates, and the schema."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import evolve

from orders_postgres import SCHEMA_VERSION, inspect
from tests.certificates import Issued
from tests.postgres.secure_server import SERVER_HOSTS, Client, SecureServer, open_secure_server
from tests.postgres_server import SERVICE, OrdersDatabase

NOWHERE = {"port": "1", "connect_timeout": "1"}


@pytest.fixture(scope="module")
def secure_server() -> Iterator[SecureServer]:
    with open_secure_server() as server:
        yield server


@pytest.fixture
def client(secure_server: SecureServer, tmp_path: Path) -> Client:
    client = Client(secure_server, tmp_path)
    client.prepare()
    return client


def end_of(issued: Issued) -> float:
    return issued.certificate.not_valid_after_utc.timestamp()


def test_the_expiry_of_all_three_certificates_is_reported(client: Client) -> None:
    authority = client.server.authority
    mine = authority.issue(SERVICE, valid_for=timedelta(days=2))
    theirs = authority.issue("localhost", *SERVER_HOSTS, valid_for=timedelta(hours=30))
    client.identify(mine)
    client.server.show(theirs)
    found = inspect(client.url())
    assert found.expiries == {
        "client": end_of(mine),
        "ca": authority.certificate.not_valid_after_utc.timestamp(),
        "server": end_of(theirs),
    }
    client.server.show_usual()
    assert inspect(client.url()).expiries["server"] != end_of(theirs)


def test_certificate_files_are_reported_even_if_the_server_is_down(client: Client) -> None:
    found = inspect(client.url(**NOWHERE))
    assert found.expiries.keys() == {"client", "ca"}
    assert found.schema is None


def test_unusable_certificate_files_are_left_out(client: Client) -> None:
    client.write("client.crt", b"")
    (client.folder / "ca.crt").unlink()
    assert inspect(client.url()).expiries == {}
    client.write("ca.crt", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert inspect(client.url()).expiries == {}


def test_without_tls_there_is_no_certificate(orders_database: OrdersDatabase) -> None:
    assert inspect(orders_database.url()).expiries == {}


def test_any_version_of_the_schema_is_reported(orders_database: OrdersDatabase) -> None:
    assert inspect(orders_database.url()).schema == (SCHEMA_VERSION, SCHEMA_VERSION)
    orders_database.run("DELETE FROM orders_schema WHERE version > 1")
    assert inspect(orders_database.url()).schema == (1, SCHEMA_VERSION)
    orders_database.run("DROP TABLE orders_schema")
    assert inspect(orders_database.url()).schema == (0, SCHEMA_VERSION)


def test_without_the_privilege_to_read_it_no_schema_version_is_reported(
    orders_database: OrdersDatabase,
) -> None:
    orders_database.run(f"REVOKE SELECT ON orders_schema FROM {SERVICE}")  # noqa: S608 - no value
    assert inspect(orders_database.url()).schema is None
    assert inspect(evolve(orders_database.url(), database="nowhere")).schema is None
