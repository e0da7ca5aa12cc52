"""`orders serve`: runs the service, and says where it is."""

import logging
from typing import Final

from orders_cli.exits import Exit
from orders_cli.standard_error import is_read_by_a_person
from orders_service.composition import Started, serve
from orders_service.config import Config

_LOG: Final = logging.getLogger(__name__)


def serve_orders(config: Config) -> int:
    """Serve until SIGTERM or SIGINT, then finish every request that was accepted.

    Raises:
        StoreUnavailable: The database has another schema than this release needs.
        OSError: An address cannot be listened on.
        InvalidTokens: The token file cannot be used.
        InvalidConfig: Other machines can connect, and nothing keeps them out; or the system
            limits the service too much.
    """
    return Exit.DONE if serve(config, _tell_started) else Exit.INTERRUPTED


def _tell_started(started: Started) -> None:
    if is_read_by_a_person():
        print(
            f"Orders is at {started.orders} and keeps its orders in {started.database};\n"
            f"probes and metrics are at {started.operations}. Ctrl-C stops it.",
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
