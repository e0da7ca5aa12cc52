"""Folders for Unix sockets, whose paths may have 107 bytes, and for other users."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_IXOTH
from typing import Final

_MAX_BYTES: Final = 60
"""The longest path of the parent folder: it leaves room for a prefix and a suffix."""


@contextmanager
def short_folder() -> Iterator[Path]:
    """Make a folder with a short path, which others may enter if it is given to them.

    pytest's own folders are private, and their paths are as long as `TMPDIR` and the name of the
    test are.
    """
    with tempfile.TemporaryDirectory(prefix="orders-", dir=_place()) as name:
        yield Path(name)


def _place() -> Path:
    wanted = Path(tempfile.gettempdir())
    short = len(str(wanted).encode()) <= _MAX_BYTES
    open_to_all = all(each.stat().st_mode & S_IXOTH for each in (wanted, *wanted.parents))
    return wanted if short and open_to_all else Path("/tmp")  # noqa: S108 - mkdtemp names it
