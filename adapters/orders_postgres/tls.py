"""The TLS settings of a connection to the database, read from files each time."""

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

# By OpenSSL's name for what is wrong with a file; a key that it cannot read has no name.
_FILE_PROBLEMS: Final = {
    "NO_CERTIFICATE_OR_CRL_FOUND": "it contains nothing in PEM format",
    "KEY_VALUES_MISMATCH": "the key does not belong to the certificate",
    None: "both must be PEM, and the key unencrypted",
}
# OpenSSL's names for the alerts (RFC 8446, section 6) with which a server rejects a certificate.
_REFUSALS: Final = re.compile(r"ALERT_(UNKNOWN_CA|.*CERTIFICATE.*)")


def client_context(url: DatabaseUrl) -> ssl.SSLContext:
    """Build the TLS settings of one connection from the current files.

    Raises:
        StoreUnavailable: With `Reason.TLS` if a file cannot be read, has the wrong content, or is
            a private key that others can read.
    """
    # Not create_default_context: since Python 3.13 it rejects certificates of authorities that
    # omit optional extensions. Private networks often have such, and libpq accepts them.
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
            # Given an empty password, an encrypted key is an error; given none, OpenSSL would
            # prompt on the terminal.
            context.load_cert_chain(url.sslcert, url.sslkey, password="")
    return context


def tls_problem(url: DatabaseUrl, error: ssl.SSLError) -> str:
    """Explain why one side does not trust the other, and name the file that decides it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message.rstrip(".")
        trusted = f"sslrootcert {url.sslrootcert or 'system'}"
        return f"the server's certificate was rejected: {why} (trusted: {trusted})"
    refusal = _REFUSALS.search(error.reason or "")
    if refusal is not None:
        why = refusal[1].lower().replace("_", " ")
        return f"the server rejected the client's certificate, sslcert {url.sslcert}: {why}"
    return str(error)


def _refuse_exposed_key(path: Path) -> None:
    """Apply libpq's rule (PostgreSQL, "Client Certificates"): 0600, or 0640 if owned by root."""
    status = path.stat()
    allowed = 0o640 if status.st_uid == _ROOT_USER else 0o600
    if stat.S_IMODE(status.st_mode) & 0o077 & ~allowed:
        why = f"others can read the private key; the widest allowed mode is {allowed:04o}"
        raise PermissionError(errno.EPERM, why)


@contextmanager
def _named(url: DatabaseUrl, files: str) -> Iterator[None]:
    """Name the files in an error: Python's own message often does not."""
    try:
        yield
    except OSError as error:
        why = error.strerror
        if isinstance(error, ssl.SSLError):
            why = _FILE_PROBLEMS.get(error.reason, why)
        message = f"{url.address}: cannot use {files}: {why}"
        raise StoreUnavailable(Reason.TLS, message) from error
