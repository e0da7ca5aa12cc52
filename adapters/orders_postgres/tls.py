"""What a TLS connection to the database trusts and shows, read from files each time."""

import errno
import re
import ssl
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from orders_core import Reason, StoreUnavailable
from orders_postgres.parameters import SslMode, TlsVersion
from orders_postgres.url import DatabaseUrl

_ROOT_USER: Final = 0
_VERSIONS: Final = {
    TlsVersion.TLS_1_2: ssl.TLSVersion.TLSv1_2,
    TlsVersion.TLS_1_3: ssl.TLSVersion.TLSv1_3,
}

# OpenSSL's names for what is wrong with a file; a key that it cannot read has no name.
_FILE_PROBLEMS: Final = {
    "NO_CERTIFICATE_OR_CRL_FOUND": "there is nothing in it in PEM",
    "KEY_VALUES_MISMATCH": "the key is not that of the certificate",
    None: "both must be in PEM, and the key not encrypted",
}
# So OpenSSL names the alerts (RFC 8446, section 6) by which a server refuses a certificate.
_REFUSALS: Final = re.compile(r"ALERT_(UNKNOWN_CA|.*CERTIFICATE.*)")


def client_context(url: DatabaseUrl) -> ssl.SSLContext:
    """Build the TLS settings of one connection from the files as they are now.

    Raises:
        StoreUnavailable: With `Reason.TLS` when a file cannot be read, does not hold what it
            should, or is a private key that others may read.
    """
    # Not create_default_context: since Python 3.13 that refuses authorities, common in private
    # networks and accepted by libpq, whose certificates leave optional extensions out.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = _VERSIONS[url.ssl_min_protocol_version]
    if url.ssl_max_protocol_version is not None:
        context.maximum_version = _VERSIONS[url.ssl_max_protocol_version]
    context.check_hostname = url.sslmode is SslMode.VERIFY_FULL
    if url.sslrootcert is not None:
        with _named(url, f"sslrootcert {url.sslrootcert}"):
            context.load_verify_locations(url.sslrootcert)
    elif url.sslmode is SslMode.REQUIRE:
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if url.sslcrl is not None:
        with _named(url, f"sslcrl {url.sslcrl}"):
            context.load_verify_locations(url.sslcrl)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    if url.sslcert is not None and url.sslkey is not None:
        with _named(url, f"sslcert {url.sslcert} with sslkey {url.sslkey}"):
            _refuse_exposed_key(url.sslkey)
            # With an empty password an encrypted key is an error; with none OpenSSL would ask
            # for it on the terminal.
            context.load_cert_chain(url.sslcert, url.sslkey, password="")
    return context


def tls_problem(url: DatabaseUrl, error: ssl.SSLError) -> str:
    """Say why the two sides do not trust each other, and which file decides that."""
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message.rstrip(".")
        trusted = f"sslrootcert {url.sslrootcert or 'system'}"
        return f"the server's certificate is refused: {why} (trusted is {trusted})"
    refusal = _REFUSALS.search(error.reason or "")
    if refusal is not None:
        why = refusal[1].lower().replace("_", " ")
        return f"the server refuses the client's certificate, sslcert {url.sslcert}: {why}"
    return str(error)


def _refuse_exposed_key(path: Path) -> None:
    """Apply libpq's rule (PostgreSQL, "Client Certificates"): 0600, or 0640 if root owns it."""
    status = path.stat()
    allowed = 0o640 if status.st_uid == _ROOT_USER else 0o600
    if stat.S_IMODE(status.st_mode) & 0o077 & ~allowed:
        why = f"others may read the private key; {allowed:04o} is the widest mode"
        raise PermissionError(errno.EPERM, why)


@contextmanager
def _named(url: DatabaseUrl, files: str) -> Iterator[None]:
    """Say which files an error is about: Python's own message often does not."""
    try:
        yield
    except OSError as error:
        why = error.strerror
        if isinstance(error, ssl.SSLError):
            why = _FILE_PROBLEMS.get(error.reason, why)
        message = f"{url.address}: cannot use {files}: {why}"
        raise StoreUnavailable(Reason.TLS, message) from error
