"""What the command says to the person who runs it, beside its output."""

import sys


def tell(message: str) -> None:
    """Write one line to standard error."""
    print(f"orders: {message}", file=sys.stderr)
