"""The error for a missing library that an extra of the distribution installs."""

from collections.abc import Iterator
from contextlib import contextmanager


class MissingExtra(ModuleNotFoundError):
    """A library is not installed; the message says which extra installs it, and how.

    Attributes:
        library: The import name of the library.
    """

    def __init__(self, library: str, extra: str) -> None:
        """Take the library, and the extra that installs it."""
        self.library = library
        super().__init__(
            f"{library} is not installed; the extra {extra} brings it: run pip install "
            f"'.[{extra}]' in a clone of Orders, or pip install "
            f"'orders_core-VERSION-py3-none-any.whl[{extra}]' with the wheel of a release",
            name=library,
        )


@contextmanager
def needing(extra: str, *libraries: str) -> Iterator[None]:
    """Name the missing extra when an import in this context fails for one of its libraries.

    Raises:
        MissingExtra: A library of the extra is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in libraries:
            raise
        raise MissingExtra(library, extra) from None
