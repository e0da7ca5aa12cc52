"""libpq's parameters that have one meaning here, or none: each with the reason."""

from collections.abc import Mapping
from typing import Final

from attrs import frozen


@frozen
class OneMeaning:
    """A parameter that changes nothing: only the value that Orders has anyway is accepted.

    Attributes:
        values: The accepted values, in lower case.
        reason: Why another is refused.
    """

    values: tuple[str, ...]
    reason: str


_OFF: Final = ("0", "off", "false", "no")
_NO_GSSAPI: Final = "there is no GSSAPI here, as for Kerberos"
_NO_OAUTH: Final = "there is no OAuth here; use a password or a certificate"
_NO_SERVICES: Final = "no service file is read; write what it says into the URL"
_KEYS_OF_SCRAM: Final = "give the password instead, best in a password file"

FIXED: Final[Mapping[str, OneMeaning]] = {
    "client_encoding": OneMeaning(("utf8", "utf-8"), "orders are sent as UTF-8"),
    "gssencmode": OneMeaning(("disable", "prefer"), _NO_GSSAPI),
    "gssdelegation": OneMeaning(("0",), _NO_GSSAPI),
    "load_balance_hosts": OneMeaning(("disable",), "hosts are tried in the order given"),
    "max_protocol_version": OneMeaning(("3.0", "3.2", "latest"), "version 3.0 is spoken"),
    "min_protocol_version": OneMeaning(("3.0",), "version 3.0 is spoken"),
    "replication": OneMeaning(_OFF, "orders are no replication stream"),
    "requiressl": OneMeaning((), "write sslmode=verify-full"),
    "ssl": OneMeaning((), "write sslmode=verify-full"),
    "sslcertmode": OneMeaning(
        ("allow",),
        "a certificate is sent when sslcert is given and the server asks for it",
    ),
    "sslcompression": OneMeaning(("0",), "TLS is never compressed"),
    "sslnegotiation": OneMeaning(("postgres",), "TLS begins after a request for it"),
    "sslsni": OneMeaning(("1",), "TLS always names the host"),
}
"""Parameters whose value is checked, then ignored."""

REFUSED: Final[Mapping[str, str]] = {
    "gsslib": _NO_GSSAPI,
    "hostaddr": "write the address as the host, or leave it out: names are looked up",
    "krbsrvname": _NO_GSSAPI,
    "oauth_client_id": _NO_OAUTH,
    "oauth_client_secret": _NO_OAUTH,
    "oauth_issuer": _NO_OAUTH,
    "oauth_scope": _NO_OAUTH,
    "passfile": "a password file holds the password alone; name it as database_password_file",
    "require_auth": (
        "sslmode=verify-full proves the server; channel_binding=require also refuses any "
        "log-in but SCRAM"
    ),
    "requirepeer": "the folder of a socket is trusted; let nobody else write there",
    "scram_client_key": _KEYS_OF_SCRAM,
    "scram_server_key": _KEYS_OF_SCRAM,
    "service": _NO_SERVICES,
    "servicefile": _NO_SERVICES,
    "sslcrldir": "write all lists into one file, and name it as sslcrl",
    "sslkeylogfile": "it would let others read what is sent",
    "sslpassword": "the file of sslkey must not be encrypted; its mode keeps others out",
}
"""Words that are not taken, with what to do instead."""
