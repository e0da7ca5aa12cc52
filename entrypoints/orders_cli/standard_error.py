"""Messages of the command to its user, separate from its output."""

import logging
import sys
from typing import Final

_LOG: Final = logging.getLogger("orders_cli")


def tell(message: str) -> None:
    """Write one line to standard error."""
    print(f"orders: {message}", file=sys.stderr)


def log(message: str) -> None:
    """Log one line of a service that did not start."""
    _LOG.error(message)


def is_read_by_a_person() -> bool:
    """Whether standard error is a terminal: not a file, a pipe, a container's log or journald."""
    return sys.stderr.isatty()
