"""The values that settings have, and how each is read from text.

Each function raises a `ValueError` that says what is wrong with the text.
"""

import re
from collections.abc import Callable
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final

from attrs import frozen

_NUMBER: Final = re.compile(r"[0-9]{1,6}")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
# ISO 4217's codes whose minor unit is not a hundredth.
_OTHER_MINOR_UNITS: Final = frozenset(
    {
        *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI"),
        *("VND", "VUV", "XAF", "XOF", "XPF"),
        *("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"),
        *("CLF", "UYW"),
    },
)
_HOST_NAME: Final = re.compile(r"\*|[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?")
_ADDRESS: Final = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:\[\]]+)):(?P<port>[0-9]{1,5})"
)
_MAX_PORT: Final = 65_535
_WORKERS: Final = re.compile(r"[0-9]{1,3}")
_MAX_WORKERS: Final = 256
# Characters that mean the same whether a proxy encodes them or not (RFC 3986, section 2.3).
_ROOT: Final = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)*/?")


@frozen
class Address:
    """An address to listen on.

    Attributes:
        host: A name or an IP address.
        port: The port; 0 lets the system choose.
    """

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read `HOST:PORT`."""
        parsed = _ADDRESS.fullmatch(text)
        if parsed is None or int(parsed["port"]) > _MAX_PORT:
            message = f"{text!r} is not HOST:PORT such as 127.0.0.1:8000 or [::1]:8000"
            raise ValueError(message)
        return cls(parsed["v6"] or parsed["host"], int(parsed["port"]))

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it. Names other than localhost are not resolved."""
        try:
            address = ip_address(self.host)
        except ValueError:
            return self.host.lower() == "localhost"
        return address == IPv6Address(1) or (
            isinstance(address, IPv4Address) and address.is_loopback
        )

    def __str__(self) -> str:
        """Write as in a URL: `127.0.0.1:8000`, `[::1]:8000`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Auth(Enum):
    """What a client needs to be admitted."""

    TOKENS = "tokens"
    """A token."""
    TRUSTED_NETWORK = "trusted-network"
    """Only a connection: the operator trusts the network."""
    LOOPBACK = ""
    """Only a connection: the service listens on loopback alone."""

    @classmethod
    def parse(cls, text: str) -> "Auth":
        """Read `tokens` or `trusted-network`; empty is `LOOPBACK`."""
        try:
            return cls(text)
        except ValueError:
            message = f"{text!r} is neither tokens nor trusted-network"
            raise ValueError(message) from None


def workers(text: str) -> int | None:
    """Read a number of workers; None for `auto`."""
    if text == "auto":
        return None
    if not _WORKERS.fullmatch(text) or not 1 <= int(text) <= _MAX_WORKERS:
        message = f"{text!r} is neither auto nor a number from 1 to {_MAX_WORKERS}"
        raise ValueError(message)
    return int(text)


def currency(text: str) -> str:
    """Read an ISO 4217 code of a currency that is divided into hundredths."""
    if not _CURRENCY.fullmatch(text):
        message = f"{text!r} is not an ISO 4217 code such as USD"
        raise ValueError(message)
    if text in _OTHER_MINOR_UNITS:
        message = f"{text} is not divided into hundredths; amounts have two decimals"
        raise ValueError(message)
    return text


def number(minimum: int, maximum: int) -> Callable[[str], int]:
    """Make a parser of whole numbers in a range."""

    def parse(text: str) -> int:
        if not _NUMBER.fullmatch(text) or not minimum <= int(text) <= maximum:
            message = f"{text!r} is not a whole number from {minimum} to {maximum}"
            raise ValueError(message)
        return int(text)

    return parse


def host_names(text: str) -> frozenset[str]:
    """Read host names separated by commas; `*` is every name."""
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    for name in names:
        if not _HOST_NAME.fullmatch(name.removesuffix(".")):
            message = f"{name!r} is not a host name such as orders.example.org (without a port)"
            raise ValueError(message)
    # A final dot marks a fully qualified name; Host headers are compared without it too.
    return frozenset(name.removesuffix(".") for name in names)


def root(text: str) -> str:
    """Read a path, and drop the slash at its end."""
    if not _ROOT.fullmatch(text):
        message = (
            f"{text!r} is not a path such as /shop: a slash, then letters, digits and - . _ ~, in "
            "each part"
        )
        raise ValueError(message)
    return text.removesuffix("/")


def path(text: str) -> Path | None:
    """Read a path of the file system; None for an empty text."""
    if "\0" in text:
        raise ValueError("the path holds a NUL character; no path can")
    return Path(text) if text else None
