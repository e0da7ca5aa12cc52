"""`orders serve`: runs the service, and prints or logs its addresses."""

import logging
from typing import Final

from orders_cli.exits import Exit
from orders_cli.standard_error import is_read_by_a_person
from orders_service.composition import Started, serve
from orders_service.configuration.settings import Config

_LOG: Final = logging.getLogger(__name__)


def serve_orders(config: Config) -> int:
    """Serve until SIGTERM or SIGINT, then finish every request that was accepted.

    Raises:
        StoreUnavailable: The database has another schema than this release needs.
        OSError: The service cannot listen on an address.
        InvalidConfig: The token file cannot be used, other machines can connect without a token,
            or the limit of open files is too low.
    """
    return Exit.DONE if serve(config, _tell_started) else Exit.INTERRUPTED


def _tell_started(started: Started) -> None:
    if is_read_by_a_person():
        print(
            f"Orders is serving {started.orders} from {started.database};\n"
            f"probes and metrics are at {started.operations}. Press Ctrl-C to stop.",
            flush=True,
        )
    else:
        _LOG.info(
            "serving",
            extra={
                "orders": started.orders,
                "operations": started.operations,
                "database": started.database,
            },
        )
