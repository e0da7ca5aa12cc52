"""Asks a running service whether it is ready."""

from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Final

from attrs import frozen

from orders_service.configuration.settings import Config
from orders_service.systemd import OPERATIONS, set_by_socket
from orders_service.systemd_unit_lookup import UnitLookup

_SECONDS: Final = 4.0
# A service that listens on every address is asked at the loopback address of the same family.
_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not bound


@frozen
class Readiness:
    """The answer of a running service.

    Attributes:
        is_ready: Whether it is ready.
        answer: Its answer, which gives the reasons if it is not.
    """

    is_ready: bool
    answer: str


def ask_readiness(config: Config, lookup: UnitLookup) -> Readiness:
    """Ask the service that runs with this configuration.

    Args:
        config: The configuration.
        lookup: How systemd starts the service.

    Raises:
        OSError: Nothing answers in time, or another program does.
    """
    passed = lookup.operations_address
    address = passed or config.ops_listen
    set_by = set_by_socket(OPERATIONS) if passed else config.set_by("ops_listen")
    host = _LOOPBACK.get(address.host, address.host)
    with closing(HTTPConnection(host, address.port, timeout=_SECONDS)) as connection:
        try:
            connection.request("GET", "/readyz")
            response = connection.getresponse()
            answer = response.read().decode("ascii", "backslashreplace")
        except (HTTPException, OSError) as error:
            reason = f"no answer from a running service: {error}; {set_by} sets its address"
            raise OSError(0, reason, f"http://{address}/readyz") from error
    return Readiness(response.status == HTTPStatus.OK, answer)
