"""TLS to the database: nothing is said to a server that is not proven to be the right one."""

import os
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from attrs import evolve

from orders_core import Order, Outcome, Reason, StoreUnavailable
from orders_postgres import DatabaseUrl, PostgresStore
from orders_postgres.connection import connect
from orders_postgres.tls import client_context
from tests.certificates import Authority
from tests.postgres.secure_server import Client, SecureServer, open_secure_server
from tests.postgres_server import (
    OWNER,
    PASSWORD,
    SERVICE,
    PostgresServer,
)

EXPIRED: Final = timedelta(minutes=-5)


@pytest.fixture(scope="module")
def secure_server() -> Iterator[SecureServer]:
    with open_secure_server() as server:
        yield server


@pytest.fixture
def other_certificate(secure_server: SecureServer) -> Iterator[Callable[..., None]]:
    """Let the server show another certificate until the test ends."""
    yield secure_server.show
    secure_server.show_usual()


@pytest.fixture
def client(secure_server: SecureServer, tmp_path: Path) -> Client:
    client = Client(secure_server, tmp_path)
    client.prepare()
    return client


def refusal(url: DatabaseUrl) -> StoreUnavailable:
    with closing(PostgresStore(url)) as store, pytest.raises(StoreUnavailable) as caught:
        store.check()
    return caught.value


def assert_works(url: DatabaseUrl) -> None:
    with closing(PostgresStore(url)) as store:
        store.check()


def test_verify_full_with_a_client_certificate_works_and_is_encrypted(client: Client) -> None:
    with closing(connect(client.url())) as connection:
        ((encrypted, version, subject),) = connection.run(
            "SELECT ssl, version, client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
        )
    assert encrypted
    assert version in {"TLSv1.2", "TLSv1.3"}
    assert subject == f"/CN={SERVICE}"


def test_a_role_with_a_password_comes_in_over_tls_too(client: Client) -> None:
    url = evolve(client.url(user=OWNER, sslcert=None, sslkey=None), password=PASSWORD)
    with closing(connect(url)) as connection:
        ((encrypted,),) = connection.run(
            "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
        )
    assert encrypted


def test_orders_are_stored_over_tls(client: Client) -> None:
    with closing(PostgresStore(client.url())) as store:
        assert store.add([Order("secured", "1.00")]) == (Outcome.CREATED,)


def test_an_address_is_verified_like_a_name(client: Client) -> None:
    assert_works(client.url(host="127.0.0.1"))


def test_a_certificate_for_another_host_is_refused(
    client: Client,
    other_certificate: Callable[..., None],
) -> None:
    other_certificate(client.server.authority.issue("db.example", "db.example"))
    error = refusal(client.url())
    assert error.reason is Reason.TLS
    assert "certificate is not valid for 'localhost'" in str(error)


def test_of_several_hosts_each_must_be_the_one_that_its_certificate_names(
    client: Client,
    other_certificate: Callable[..., None],
) -> None:
    other_certificate(client.server.authority.issue("localhost", "localhost"))
    assert_works(client.url(host="127.0.0.1,localhost"))
    error = refusal(client.url(host="127.0.0.1,127.0.0.1"))
    assert error.reason is Reason.TLS
    assert str(error).count("certificate is not valid for '127.0.0.1'") == 2


@pytest.mark.parametrize("mode", ["verify-ca", "require"])
def test_without_verify_full_the_authority_is_enough(
    client: Client,
    other_certificate: Callable[..., None],
    mode: str,
) -> None:
    other_certificate(client.server.authority.issue("db.example", "db.example"))
    assert_works(client.url(sslmode=mode))


@pytest.mark.parametrize("mode", ["verify-full", "verify-ca", "require"])
def test_a_server_of_another_authority_is_refused(client: Client, mode: str) -> None:
    client.write("ca.crt", Authority("Another").certificate_pem)
    assert refusal(client.url(sslmode=mode)).reason is Reason.TLS


def test_a_private_authority_is_refused_when_only_the_systems_are_trusted(client: Client) -> None:
    assert refusal(client.url(sslrootcert="system")).reason is Reason.TLS


def test_require_without_an_authority_encrypts_and_verifies_nothing(client: Client) -> None:
    assert_works(client.url(sslmode="require", sslrootcert=None))


def test_an_expired_server_certificate_is_refused(
    client: Client,
    other_certificate: Callable[..., None],
) -> None:
    other_certificate(client.server.authority.issue("localhost", "localhost", valid_for=EXPIRED))
    error = refusal(client.url())
    assert error.reason is Reason.TLS
    assert "expired" in str(error)


def test_a_revoked_server_certificate_is_refused(
    client: Client,
    other_certificate: Callable[..., None],
) -> None:
    authority = client.server.authority
    issued = authority.issue("localhost", "localhost")
    other_certificate(issued)
    listed = client.write("ca.crl", authority.revocation_list())
    assert_works(client.url(sslcrl=str(listed)))
    client.write("ca.crl", authority.revocation_list(issued))
    error = refusal(client.url(sslcrl=str(listed)))
    assert error.reason is Reason.TLS
    assert "revoked" in str(error)


def test_a_server_without_tls_is_refused_and_told_nothing(postgres_server: PostgresServer) -> None:
    url = DatabaseUrl.parse(postgres_server.url_text("postgres", sslmode="require"))
    error = refusal(url)
    assert error.reason is Reason.TLS
    assert "the server has no TLS; nothing was sent to it" in str(error)


def test_the_server_refuses_plain_text(client: Client) -> None:
    plain = client.url(sslmode="disable", sslrootcert=None, sslcert=None, sslkey=None)
    assert refusal(plain).reason is Reason.REFUSED


def test_the_server_refuses_a_client_without_a_certificate(client: Client) -> None:
    assert refusal(client.url(sslcert=None, sslkey=None)).reason is Reason.REFUSED


def test_the_server_refuses_a_certificate_of_another_role(client: Client) -> None:
    client.identify(client.server.authority.issue("somebody"))
    assert refusal(client.url()).reason is Reason.REFUSED


@pytest.mark.parametrize("case", ["expired", "another authority"])
def test_the_server_refuses_a_certificate_that_it_cannot_verify(client: Client, case: str) -> None:
    authority = client.server.authority if case == "expired" else Authority("Another")
    client.identify(authority.issue(SERVICE, valid_for=EXPIRED))
    assert refusal(client.url()).reason in {Reason.TLS, Reason.UNREACHABLE}


def test_a_key_that_others_may_read_is_refused(client: Client) -> None:
    client.identify(client.server.authority.issue(SERVICE), mode=0o644)
    error = refusal(client.url())
    assert error.reason is Reason.TLS
    assert "others may read the private key" in str(error)


LOAD_ON_A_TERMINAL: Final = """
import fcntl, sys, termios
from orders_core import StoreUnavailable
from orders_postgres import DatabaseUrl
from orders_postgres.tls import client_context
fcntl.ioctl(sys.stdin, termios.TIOCSCTTY, 0)
try:
    client_context(DatabaseUrl.parse(sys.argv[1]))
except StoreUnavailable as error:
    print(error.reason.value)
"""


def test_an_encrypted_key_is_refused_without_a_question_on_the_terminal(client: Client) -> None:
    issued = client.server.authority.issue(SERVICE)
    client.identify(issued)
    client.write("client.key", issued.encrypted_key_pem(b"secret"))
    keyboard, terminal = os.openpty()
    try:
        # Whoever asked would get the right answer.
        os.write(keyboard, b"secret\n")
        loaded = subprocess.run(
            [sys.executable, "-c", LOAD_ON_A_TERMINAL, str(client.url())],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=terminal,
            capture_output=True,
            text=True,
            start_new_session=True,
            check=True,
        )
    finally:
        os.close(keyboard)
        os.close(terminal)
    assert loaded.stdout == "tls\n"


@pytest.mark.parametrize("name", ["ca.crt", "client.crt", "client.key"])
def test_a_file_that_is_missing_or_no_certificate_is_named_as_a_tls_problem(
    client: Client,
    name: str,
) -> None:
    (client.folder / name).write_bytes(b"nonsense")
    assert refusal(client.url()).reason is Reason.TLS
    (client.folder / name).unlink()
    error = refusal(client.url())
    assert error.reason is Reason.TLS
    assert name in str(error)


def test_new_connections_use_new_certificates_without_a_restart(client: Client) -> None:
    with closing(PostgresStore(client.url(), max_age_seconds=0)) as store:
        store.check()
        client.identify(client.server.authority.issue("somebody"))
        with pytest.raises(StoreUnavailable):
            store.check()
        client.identify(client.server.authority.issue(SERVICE))
        store.check()


def test_old_protocols_are_never_spoken(client: Client) -> None:
    assert client_context(client.url()).minimum_version is ssl.TLSVersion.TLSv1_2
