"""Allowed Host headers: the protection against DNS rebinding."""

import re
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from attrs import frozen

from orders_http.api.problems import Problem, ProblemType

# RFC 3986, section 3.2.2, as far as HTTP uses it: a name, an IPv4 or a bracketed IPv6 address.
_HOST: Final = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]{0,5}))?"
)


@frozen
class HostRule:
    """Allows all addresses and `localhost`, and the names that are listed.

    Another site can make a browser send requests here under its own name, by letting the name
    resolve to this machine. It cannot do so under an address or a listed name.

    Attributes:
        names: Host names in lower case; `*` allows every name.
    """

    names: frozenset[str] = frozenset()

    def check(self, host: str | None) -> None:
        """Refuse a Host header that is not allowed.

        Args:
            host: The header; None, possible in HTTP/1.0, is allowed: every browser sends it.

        Raises:
            Problem: 400 if it is malformed, 421 if it is not allowed.
        """
        if host is None:
            return
        name, is_address = _name_of(host)
        if name is None:
            raise Problem(ProblemType.MALFORMED_REQUEST, "the Host header does not name a host")
        if not (is_address or self._allows(name)):
            raise Problem(
                ProblemType.MISDIRECTED_REQUEST,
                f"host {name!r} is not served here; the setting allowed_hosts lists the names that "
                "are",
            )

    def _allows(self, name: str) -> bool:
        return name == "localhost" or not self.names.isdisjoint({name, "*"})


def host_and_port(host: str) -> tuple[str | None, int | None]:
    """Split a Host header into name and port.

    Returns:
        The name in lower case without a final dot, or None if it is malformed; and the port, or
        None without one.
    """
    parsed = _HOST.fullmatch(host)
    if parsed is None:
        return None, None
    name = (parsed["v6"] or parsed["name"]).lower()
    return name.removesuffix(".") or None, int(parsed["port"]) if parsed["port"] else None


@lru_cache  # Nearly all requests have the same one.
def _name_of(host: str) -> tuple[str | None, bool]:
    """Return the name, or None if it is malformed, and whether it is an address."""
    name, _ = host_and_port(host)
    if name is None:
        return None, False
    try:
        ip_address(name)
    except ValueError:
        return name, False
    return name, True
