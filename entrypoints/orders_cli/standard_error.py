"""What the command says to the person who runs it, beside its output."""

import logging
import sys
from typing import Final

_LOG: Final = logging.getLogger("orders_cli")


def tell(message: str) -> None:
    """Write one line to standard error."""
    print(f"orders: {message}", file=sys.stderr)


def log(message: str) -> None:
    """Write one line to the logs of the service, which did not start."""
    _LOG.error(message)


def is_read_by_a_person() -> bool:
    """Whether standard error is a terminal: not a file, a pipe, a container's log or journald."""
    return sys.stderr.isatty()
