"""TLS to the database: nothing is sent to a server before it is verified."""

import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Final

import pytest
from attrs import define, evolve

from orders_core import Order, Outcome, Reason, StoreUnavailable
from orders_postgres import DatabaseUrl, PostgresStore, SslMode
from orders_postgres.open_connection import connect
from tests.certificates import Authority, Issued
from tests.postgres.secure_server import Client, SecureServer, open_secure_server
from tests.postgres_server import (
    HOST,
    OWNER,
    PASSWORD,
    SERVICE,
    PostgresServer,
    wait_until,
)

EXPIRED: Final = timedelta(minutes=-5)
NOT_YET: Final = timedelta(days=3)
# PostgreSQL, "Message Formats": SSLRequest, AuthenticationCleartextPassword.
SSL_REQUEST: Final = bytes.fromhex("00000008 04d2162f")
ASK_FOR_PASSWORD: Final = b"R" + bytes.fromhex("00000008 00000003")


@pytest.fixture(scope="module")
def secure_server() -> Iterator[SecureServer]:
    with open_secure_server() as server:
        yield server


@pytest.fixture
def other_certificate(secure_server: SecureServer) -> Iterator[Callable[..., None]]:
    """Let the server use another certificate until the test ends."""
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


def test_a_role_with_a_password_can_connect_over_tls_too(client: Client) -> None:
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


def test_each_of_several_hosts_must_match_its_certificate(
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


def test_require_without_an_authority_encrypts_and_verifies_nothing(client: Client) -> None:
    assert_works(client.url(sslmode="require", sslrootcert=None))


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


def test_nothing_is_sent_to_a_server_without_tls(postgres_server: PostgresServer) -> None:
    url = DatabaseUrl.parse(postgres_server.url_text("postgres", sslmode="require"))
    error = refusal(url)
    assert error.reason is Reason.TLS
    assert "the server does not support TLS; nothing was sent to it" in str(error)


def test_the_server_refuses_plain_text(client: Client) -> None:
    plain = client.url(sslmode="disable", sslrootcert=None, sslcert=None, sslkey=None)
    assert refusal(plain).reason is Reason.REFUSED


def test_the_server_refuses_a_client_without_a_certificate(client: Client) -> None:
    assert refusal(client.url(sslcert=None, sslkey=None)).reason is Reason.REFUSED


def test_the_server_refuses_a_certificate_of_another_role(client: Client) -> None:
    client.identify(client.server.authority.issue("somebody"))
    assert refusal(client.url()).reason is Reason.REFUSED


@pytest.mark.parametrize("case", ["expired", "another authority"])
def test_the_server_refuses_an_unverifiable_certificate(client: Client, case: str) -> None:
    authority = client.server.authority if case == "expired" else Authority("Another")
    client.identify(authority.issue(SERVICE, valid_for=EXPIRED))
    assert refusal(client.url()).reason in {Reason.TLS, Reason.UNREACHABLE}


def test_a_key_that_others_can_read_is_refused(client: Client) -> None:
    client.identify(client.server.authority.issue(SERVICE), mode=0o644)
    error = refusal(client.url())
    assert error.reason is Reason.TLS
    assert "others can read the private key" in str(error)


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


def test_an_encrypted_key_is_refused_without_a_prompt(client: Client) -> None:
    issued = client.server.authority.issue(SERVICE)
    client.identify(issued)
    client.write("client.key", issued.encrypted_key_pem(b"secret"))
    keyboard, terminal = os.openpty()
    try:
        # A prompt would get the right answer.
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
def test_a_missing_or_malformed_certificate_file_is_named_as_a_tls_problem(
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


# Nothing is sent to an unverified server


@define
class Impostor:
    """A server in the database's place that asks for the password and records what it receives.

    Attributes:
        port: Where it listens.
        asked: The request in plain text.
        heard: What it receives afterwards.
    """

    port: int
    asked: bytes = b""
    heard: bytes = b""


@contextmanager
def impostor(
    issued: Issued | None,
    newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED,
) -> Iterator[Impostor]:
    """Wait for one client, with a certificate or without TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if issued is not None:
        with TemporaryDirectory() as folder:
            pem = Path(folder) / "pem"
            pem.write_bytes(issued.key_pem + issued.certificate_pem)
            context.load_cert_chain(pem)
    if newest is not ssl.TLSVersion.MAXIMUM_SUPPORTED:
        # Today's OpenSSL supports versions that old only at its lowest security level.
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, newest

    def serve(listener: socket.socket, found: Impostor) -> None:
        transport, _ = listener.accept()
        with transport, suppress(OSError):
            transport.settimeout(30)
            found.asked = transport.recv(8)
            transport.sendall(b"N" if issued is None else b"S")
            if issued is not None:
                transport = context.wrap_socket(transport, server_side=True)
            with transport:
                found.heard += transport.recv(1024)
                transport.sendall(ASK_FOR_PASSWORD)
                found.heard += transport.recv(1024)

    with socket.create_server((HOST, 0)) as listener:
        found = Impostor(listener.getsockname()[1])
        thread = Thread(target=serve, args=(listener, found))
        thread.start()
        try:
            yield found
        finally:
            thread.join()


def url_with_password(client: Client, port: int, **changes: str | None) -> DatabaseUrl:
    """Return the URL of a client with a password and without a certificate."""
    url = client.url(**{"sslcert": None, "sslkey": None, "port": str(port), **changes})
    return evolve(url, password=PASSWORD)


def unheard(
    client: Client,
    issued: Issued | None,
    newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED,
    **changes: str | None,
) -> str:
    """Prove that a server is refused before anything is sent to it; return the error."""
    with impostor(issued, newest) as server:
        url = url_with_password(client, server.port, **changes)
        error = refusal(url)
    assert (server.asked, server.heard) == (SSL_REQUEST, b"")
    assert error.reason is Reason.TLS
    assert str(error).startswith(f"{url.address}: cannot connect: ")
    assert PASSWORD not in str(error)
    return str(error)


def test_the_password_is_sent_to_a_verified_server(client: Client) -> None:
    # So the tests below would notice a password.
    with impostor(client.server.authority.issue("localhost", "localhost")) as server:
        refusal(url_with_password(client, server.port))
    assert f"user\0{SERVICE}\0".encode() in server.heard
    assert PASSWORD.encode() in server.heard


def test_nothing_is_sent_to_a_server_of_another_host(client: Client) -> None:
    told = unheard(client, client.server.authority.issue("db.example", "db.example"))
    assert "certificate is not valid for 'localhost'" in told
    assert f"(trusted: sslrootcert {client.folder / 'ca.crt'})" in told


def test_nothing_is_sent_to_an_address_if_the_certificate_names_only_the_host(
    client: Client,
) -> None:
    told = unheard(client, client.server.authority.issue(HOST, "localhost"), host=HOST)
    assert f"certificate is not valid for '{HOST}'" in told


def test_the_common_name_is_ignored_if_there_are_alternative_names(client: Client) -> None:
    told = unheard(client, client.server.authority.issue("localhost", "db.example"))
    assert "certificate is not valid for 'localhost'" in told


def test_an_address_in_the_common_name_is_ignored(client: Client) -> None:
    told = unheard(client, client.server.authority.issue(HOST), host=HOST)
    assert f"certificate is not valid for '{HOST}'" in told


def test_the_common_name_counts_without_alternative_names_as_in_libpq(
    client: Client,
    other_certificate: Callable[..., None],
) -> None:
    other_certificate(client.server.authority.issue("localhost"))
    assert_works(client.url())


@pytest.mark.parametrize("mode", ["verify-full", "verify-ca", "require"])
def test_nothing_is_sent_to_a_server_of_another_authority(client: Client, mode: str) -> None:
    other = Authority("Orders test authority")
    told = unheard(client, other.issue("localhost", "localhost"), sslmode=mode)
    assert "certificate" in told
    assert f"(trusted: sslrootcert {client.folder / 'ca.crt'})" in told


def test_nothing_is_sent_to_a_server_with_a_self_signed_certificate(client: Client) -> None:
    authority = Authority("localhost")
    assert "certificate" in unheard(client, authority.issue("localhost", "localhost"))


def test_nothing_is_sent_to_a_server_that_the_system_does_not_trust(
    client: Client,
) -> None:
    issued = client.server.authority.issue("localhost", "localhost")
    assert "(trusted: sslrootcert system)" in unheard(client, issued, sslrootcert="system")


@pytest.mark.parametrize(
    ("valid_for", "why"),
    [(EXPIRED, "has expired"), (NOT_YET, "is not yet valid")],
)
def test_nothing_is_sent_to_a_server_outside_its_certificates_validity(
    client: Client,
    valid_for: timedelta,
    why: str,
) -> None:
    issued = client.server.authority.issue("localhost", "localhost", valid_for=valid_for)
    assert f"certificate {why}" in unheard(client, issued)


def test_nothing_is_sent_to_a_server_with_a_revoked_certificate(client: Client) -> None:
    authority = client.server.authority
    issued = authority.issue("localhost", "localhost")
    listed = client.write("ca.crl", authority.revocation_list(issued))
    assert "certificate revoked" in unheard(client, issued, sslcrl=str(listed))


def test_nothing_is_sent_if_the_crl_has_expired(client: Client) -> None:
    authority = client.server.authority
    listed = client.write("ca.crl", authority.revocation_list(valid_for=EXPIRED))
    issued = authority.issue("localhost", "localhost")
    assert "CRL has expired" in unheard(client, issued, sslcrl=str(listed))


def test_nothing_is_sent_if_the_crl_is_of_another_authority(
    client: Client,
) -> None:
    listed = client.write("ca.crl", Authority("Another").revocation_list())
    issued = client.server.authority.issue("localhost", "localhost")
    assert "unable to get certificate CRL" in unheard(client, issued, sslcrl=str(listed))


def test_nothing_is_sent_to_a_server_that_omits_its_intermediate_certificate(
    client: Client,
) -> None:
    intermediate = Authority("Between", client.server.authority)
    issued = evolve(intermediate.issue("localhost", "localhost"), chain=())
    assert "unable to get local issuer certificate" in unheard(client, issued)


def test_intermediate_certificates_are_followed_on_both_sides(
    client: Client,
    other_certificate: Callable[..., None],
) -> None:
    intermediate = Authority("Between", Authority("Above", client.server.authority))
    other_certificate(intermediate.issue("localhost", "localhost"))
    client.identify(intermediate.issue(SERVICE))
    assert_works(client.url())


@pytest.mark.parametrize("mode", ["verify-full", "verify-ca", "require"])
def test_nothing_is_sent_to_a_server_that_declines_tls_and_continues(
    client: Client,
    mode: str,
) -> None:
    told = unheard(client, None, sslmode=mode)
    assert told.endswith("the server does not support TLS; nothing was sent to it")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_nothing_is_sent_over_an_old_version_of_tls(client: Client) -> None:
    issued = client.server.authority.issue("localhost", "localhost")
    assert "protocol" in unheard(client, issued, ssl.TLSVersion.TLSv1_1).lower()


def test_a_remote_host_is_fully_verified_by_default(
    client: Client,
) -> None:
    text = client.url_text(sslmode=None, host="db.example")
    assert DatabaseUrl.parse(text).sslmode is SslMode.VERIFY_FULL


# The client's own files


def test_a_revoked_client_certificate_is_refused_by_the_server(
    client: Client,
    other_certificate: Callable[..., None],
) -> None:
    authority = client.server.authority
    revoked, kept = authority.issue(SERVICE), authority.issue(SERVICE)
    other_certificate(authority.issue("x", "localhost"), authority.revocation_list(revoked))
    client.identify(kept)
    assert_works(client.url())
    client.identify(revoked)
    assert refusal(client.url()).reason in {Reason.TLS, Reason.UNREACHABLE}


def test_a_client_certificate_that_the_server_rejects_is_named(client: Client) -> None:
    client.identify(Authority("Another").issue(SERVICE))
    certificate = f"sslcert {client.folder / 'client.crt'}"
    expected = f"the server rejected the client's certificate, {certificate}: unknown ca"
    # The server disconnects right after its alert, and that may be noticed first.
    wait_until(lambda: str(refusal(client.url())).endswith(expected))


@pytest.mark.parametrize("name", ["ca.crt", "ca.crl"])
@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file or directory"),
        (b"", "it contains nothing in PEM format"),
        (b"nonsense", "it contains nothing in PEM format"),
    ],
)
def test_an_unusable_authority_or_crl_file_is_named(
    client: Client,
    name: str,
    content: bytes | None,
    why: str,
) -> None:
    path = client.write(name, content or b"")
    if content is None:
        path.unlink()
    parameter = {"ca.crt": "sslrootcert", "ca.crl": "sslcrl"}[name]
    error = refusal(client.url(**{parameter: str(path)}))
    assert error.reason is Reason.TLS
    assert str(error).endswith(f": cannot use {parameter} {path}: {why}")


def test_a_key_of_another_certificate_is_refused_before_anything_is_sent(client: Client) -> None:
    client.write("client.key", client.server.authority.issue(SERVICE).key_pem)
    error = refusal(client.url())
    assert error.reason is Reason.TLS
    assert (
        f"sslkey {client.folder / 'client.key'}: the key does not belong to the certificate"
        in str(error)
    )


@pytest.mark.parametrize("name", ["client.crt", "client.key"])
def test_an_unreadable_certificate_or_key_is_reported_with_the_expected_format(
    client: Client,
    name: str,
) -> None:
    client.write(name, b"nonsense")
    assert str(refusal(client.url())).endswith("both must be PEM, and the key unencrypted")


def test_a_key_owned_by_root_may_be_readable_by_its_group(client: Client) -> None:
    client.identify(client.server.authority.issue(SERVICE), mode=0o640)
    if os.getuid() == 0:
        assert_works(client.url())
    else:
        assert "the widest allowed mode is 0600" in str(refusal(client.url()))
