"""libpq's connection parameters: which values Orders accepts, and why it refuses the others."""

import re
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Final

from attrs import frozen

DEFAULT_APPLICATION_NAME: Final = "orders"
DEFAULT_CONNECT_SECONDS: Final = 2
DEFAULT_PORT: Final = 5432

_DIGITS: Final = re.compile("[0-9]{1,9}")


class SslMode(Enum):
    """What a connection must prove before anything is sent over it.

    libpq's `allow` and `prefer` are refused: both fall back to plain text.
    """

    DISABLE = "disable"
    """Plain text."""
    REQUIRE = "require"
    """Encrypted, the server unverified; with a root certificate the same as `VERIFY_CA`."""
    VERIFY_CA = "verify-ca"
    """Encrypted, and a trusted authority issued the server's certificate."""
    VERIFY_FULL = "verify-full"
    """As `VERIFY_CA`, and the certificate names the requested host."""


class ChannelBinding(Enum):
    """Whether a password login is bound to its TLS connection, so that nobody can relay it."""

    DISABLE = "disable"
    """Never."""
    PREFER = "prefer"
    """If the server and TLS support it."""
    REQUIRE = "require"
    """Always: any other login is aborted before the password is used."""


class TlsVersion(Enum):
    """A version of TLS; older ones are broken."""

    TLS_1_2 = "TLSv1.2"
    TLS_1_3 = "TLSv1.3"


class TargetSessionAttrs(Enum):
    """Which of several servers to use.

    libpq's other values are refused: each can select a server that refuses writes.
    """

    ANY = "any"
    """The first that answers."""
    READ_WRITE = "read-write"
    """The first that accepts writes: not a standby, and not read-only by default."""


Reader = Callable[[str], object]
"""Converts a parameter's text; its `ValueError` continues a sentence that begins with the name."""


def number(minimum: int, maximum: int, what: str = "number") -> Callable[[str], int]:
    """Return a reader of decimal numbers in a range."""

    def read(text: str) -> int:
        if not _DIGITS.fullmatch(text) or not minimum <= int(text) <= maximum:
            raise ValueError(f" is not a {what} from {minimum} to {maximum}")
        return int(text)

    return read


def _choice(
    choices: type[Enum],
    *,
    ignore_case: bool = False,
    refused: Mapping[str, str] | None = None,
) -> Reader:
    """Return a reader of an enumeration's values; `refused` explains libpq's other values."""

    def read(text: str) -> Enum:
        for each in choices:
            if text == each.value or (ignore_case and text.lower() == each.value.lower()):
                return each
        if refused and text in refused:
            raise ValueError(f"={text} {refused[text]}")
        raise ValueError(f" must be one of {', '.join(each.value for each in choices)}")

    return read


def _switch(text: str) -> bool:
    if text not in {"0", "1"}:
        raise ValueError(" is neither 0 nor 1")
    return text == "1"


def _path(text: str) -> Path:
    if not text:
        raise ValueError(" is empty; it must be the path of a file")
    return Path(text)


def _authorities(text: str) -> Path | None:
    return None if text == "system" else _path(text)


_TCP_SECONDS: Final = number(0, 32_767)
_FALLS_BACK: Final = (
    "falls back to plain text when TLS fails; use verify-full, or disable if you want plain text"
)
_OTHER_SERVER: Final = "can select a server that refuses writes; use read-write"

READERS: Final[Mapping[str, Reader]] = {
    "sslmode": _choice(SslMode, refused={"allow": _FALLS_BACK, "prefer": _FALLS_BACK}),
    "sslrootcert": _authorities,
    "sslcert": _path,
    "sslkey": _path,
    "sslcrl": _path,
    "ssl_min_protocol_version": _choice(TlsVersion, ignore_case=True),
    "ssl_max_protocol_version": _choice(TlsVersion, ignore_case=True),
    "channel_binding": _choice(ChannelBinding, ignore_case=True),
    "options": str,
    "keepalives": _switch,
    "keepalives_idle": _TCP_SECONDS,
    "keepalives_interval": _TCP_SECONDS,
    "keepalives_count": number(0, 127),
    "tcp_user_timeout": number(0, 99_999_999),
    "application_name": str,
    "connect_timeout": number(1, 60, "number of seconds"),
    "target_session_attrs": _choice(
        TargetSessionAttrs,
        refused=dict.fromkeys(("primary", "standby", "read-only", "prefer-standby"), _OTHER_SERVER),
    ),
}
"""The parameters that become a field of `DatabaseUrl` of the same name."""

PARAMETERS: Final = (
    *("host", "port", "dbname", "user", "password", "fallback_application_name"),
    *READERS,
)
"""Every parameter that a URL may set. Each means what it means to libpq."""

TLS_FILES_AND_VERSIONS: Final = tuple(
    name for name in READERS if name.startswith("ssl") and name != "sslmode"
)
"""The parameters that have no effect without TLS."""


@frozen
class FixedParameter:
    """A parameter that may only confirm what Orders does anyway.

    Attributes:
        values: The accepted values, in lower case.
        reason: Why any other value is refused.
    """

    values: tuple[str, ...]
    reason: str


_OFF: Final = ("0", "off", "false", "no")
_NO_GSSAPI: Final = "Orders does not support GSSAPI (Kerberos)"
_NO_OAUTH: Final = "Orders does not support OAuth; use a password or a certificate"
_NO_SERVICE_FILE: Final = "Orders reads no service file; put its parameters into the URL"
_NO_SCRAM_KEYS: Final = "give the password instead, preferably in a password file"
_PROTOCOL_3_0: Final = "Orders speaks version 3.0 of the protocol"
_USE_SSLMODE: Final = "use sslmode=verify-full"

FIXED: Final[Mapping[str, FixedParameter]] = {
    "client_encoding": FixedParameter(("utf8", "utf-8"), "Orders sends UTF-8"),
    "gssencmode": FixedParameter(("disable", "prefer"), _NO_GSSAPI),
    "gssdelegation": FixedParameter(("0",), _NO_GSSAPI),
    "load_balance_hosts": FixedParameter(("disable",), "hosts are tried in the given order"),
    "max_protocol_version": FixedParameter(("3.0", "3.2", "latest"), _PROTOCOL_3_0),
    "min_protocol_version": FixedParameter(("3.0",), _PROTOCOL_3_0),
    "replication": FixedParameter(_OFF, "Orders opens no replication connections"),
    "sslcertmode": FixedParameter(
        ("allow",),
        "a certificate is sent if sslcert is given and the server asks for it",
    ),
    "sslcompression": FixedParameter(("0",), "TLS is never compressed"),
    "sslnegotiation": FixedParameter(("postgres",), "TLS begins with PostgreSQL's SSLRequest"),
    "sslsni": FixedParameter(("1",), "TLS always names the host"),
}
"""Parameters whose value is checked, then ignored."""

REFUSED: Final[Mapping[str, str]] = {
    "gsslib": _NO_GSSAPI,
    "hostaddr": "write the address as the host, or leave it out: host names are resolved",
    "krbsrvname": _NO_GSSAPI,
    "oauth_client_id": _NO_OAUTH,
    "oauth_client_secret": _NO_OAUTH,
    "oauth_issuer": _NO_OAUTH,
    "oauth_scope": _NO_OAUTH,
    "passfile": "use database_password_file: a file that contains nothing but the password",
    "require_auth": (
        "sslmode=verify-full proves the server; channel_binding=require also refuses any "
        "login but SCRAM"
    ),
    "requirepeer": "the socket's directory is trusted; do not let others write to it",
    "requiressl": _USE_SSLMODE,
    "scram_client_key": _NO_SCRAM_KEYS,
    "scram_server_key": _NO_SCRAM_KEYS,
    "service": _NO_SERVICE_FILE,
    "servicefile": _NO_SERVICE_FILE,
    "ssl": _USE_SSLMODE,
    "sslcrldir": "put all CRLs into one file, and use sslcrl",
    "sslkeylogfile": "it would let others decrypt the connection",
    "sslpassword": "the sslkey file must not be encrypted; its mode protects it",
}
"""Parameters that are not supported, each with the alternative or the reason."""
