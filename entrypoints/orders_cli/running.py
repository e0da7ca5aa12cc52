"""`orders check --running`: whether the service on this machine is ready."""

from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Final

from orders_cli.circumstances import Circumstances
from orders_cli.exits import Exit
from orders_service.config import Config
from orders_service.systemd import OPERATIONS, set_by_socket

_SECONDS: Final = 4.0
# Who listens on every address is asked at the loopback address of the same kind.
_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not bound


def check_running(config: Config, circumstances: Circumstances) -> int:
    """Ask the service that runs with this configuration, and print what it says.

    Args:
        config: Says where it answers probes, unless systemd does.
        circumstances: How it is started.

    Returns:
        `Exit.DONE` when it is ready, `Exit.UNAVAILABLE` when it says why it is not.

    Raises:
        OSError: Nothing answers there in time, or something that is no such service.
    """
    handed = circumstances.operations
    address = handed or config.ops_listen
    set_by = set_by_socket(OPERATIONS) if handed else config.set_by("ops_listen")
    host = _LOOPBACK.get(address.host, address.host)
    with closing(HTTPConnection(host, address.port, timeout=_SECONDS)) as connection:
        try:
            connection.request("GET", "/readyz")
            response = connection.getresponse()
            said = response.read()
        except (HTTPException, OSError) as error:
            reason = f"no answer of a running service: {error}; {set_by} says where it is asked"
            raise OSError(0, reason, f"http://{address}/readyz") from error
    print(said.decode("ascii", "backslashreplace"))
    return Exit.DONE if response.status == HTTPStatus.OK else Exit.UNAVAILABLE
