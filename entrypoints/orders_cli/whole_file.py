"""A file that is written completely or not at all."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Final

STANDARD_STREAM: Final = "-"
"""Stands for standard input or output where a command takes a file."""

_OWNER_ALONE: Final = 0o600


@contextmanager
def replacing(path: Path, new_file_mode: int = _OWNER_ALONE) -> Iterator[IO[bytes]]:
    """Yield a file to write to, which replaces `path` if the block succeeds.

    Until then, and after a failure, `path` stays unchanged. When the block ends, the file is on the
    disk.

    Args:
        path: The file to replace; an existing file keeps its mode.
        new_file_mode: The mode of a new file; by default, only its owner can read it.

    Raises:
        OSError: The file cannot be written, or `path` is not a regular file: a device must not be
            replaced.
    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, "is not a regular file", str(path))
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else new_file_mode
    try:
        # In the target's folder: a rename works within one file system only.
        file = NamedTemporaryFile(dir=target.parent, prefix=".orders-", delete=False)  # noqa: SIM115 - renamed below
    except OSError as error:
        raise OSError(error.errno, f"cannot be written: {error.strerror}", str(path)) from error
    try:
        with file:
            yield file.file
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(file.name).replace(target)
    except BaseException:
        Path(file.name).unlink()
        raise
    _flush_folder(target.parent)


def _flush_folder(folder: Path) -> None:
    """Make the rename durable: it is a change of the folder (fsync(2))."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
