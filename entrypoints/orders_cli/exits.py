"""The exit statuses of `orders`, after sysexits.h."""

from enum import IntEnum


class Exit(IntEnum):
    """What the command's exit status means."""

    DONE = 0
    """Everything was done."""
    REFUSED = 1
    """Something was refused, such as a row of an import; everything else was done."""
    USAGE = 2
    """The arguments are wrong."""
    UNAVAILABLE = 69
    """The database, an address or a file is unavailable; trying again later may help."""
    CONFIGURATION = 78
    """The configuration is wrong, or a part is not installed."""
    INTERRUPTED = 130
    """Stopped from the keyboard."""
    OUTPUT_CLOSED = 141
    """The reader closed the pipe, such as `head`; shells show SIGPIPE as this."""
