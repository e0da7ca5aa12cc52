"""The files of a database: the file itself, and the write-ahead log and its index beside it.

SQLite opens them by name and never checks the names again. A commit into a deleted log is lost
when the process that has it open ends.
"""

import os
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Self

from attrs import define, frozen

_NEW_FILE_MODE: Final = 0o600

# The first bytes of a log, in either byte order (SQLite, "Database File Format", the WAL header).
_MAGIC: Final = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")


@frozen
class FileIdentity:
    """Identifies a file, whatever its name: another file may get the same name."""

    device: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        """Return the identity of the file with this status."""
        return cls(status.st_dev, status.st_ino)


def file_at(path: Path) -> FileIdentity:
    """Identify the file at a path.

    Raises:
        OSError: There is none, or it is inaccessible.
    """
    return FileIdentity.of(path.stat())


def create(path: Path) -> None:
    """Create an empty file that only its owner may use, unless something is there.

    SQLite would create it for everyone to read. It gives the log the mode of the file.

    The file is created under another name, since closing a file drops the locks that the process
    has on it, those of another store's connection too (SQLite, "How To Corrupt An SQLite Database
    File").

    Raises:
        OSError: It cannot be created.
    """
    # SQLite follows a link too.
    target = path.resolve()
    if target.exists():
        return
    with TemporaryDirectory(dir=target.parent, prefix=".orders-") as folder:
        empty = Path(folder) / "empty"
        empty.touch(_NEW_FILE_MODE)
        # Another process may just have created it.
        with suppress(FileExistsError):
            target.hardlink_to(empty)


@frozen
class LogPaths:
    """The paths of the write-ahead log and its index.

    Attributes:
        log: The path that ends with `-wal`.
        index: The path that ends with `-shm`.
    """

    log: Path
    index: Path

    @classmethod
    def of(cls, database: Path) -> Self:
        """Return the paths for a database: beside the file, or beside the target of a link."""
        target = database.resolve()
        return cls(*(target.with_name(f"{target.name}{suffix}") for suffix in ("-wal", "-shm")))

    @property
    def exist(self) -> bool:
        """Whether both files exist."""
        return self.log.exists() and self.index.exists()


class LogProblem(Exception):
    """The log or its index is not the file that the open connections use."""


@frozen(eq=False)
class Replacement:
    """A file that replaced the log or its index, kept open so that no other file gets its inode."""

    path: Path
    file: int

    @classmethod
    def at(cls, path: Path) -> Self:
        """Open the file at a path.

        Raises:
            OSError: There is none, or it cannot be read.
        """
        return cls(path, os.open(path, os.O_RDONLY | os.O_CLOEXEC))

    @property
    def is_in_place(self) -> bool:
        """Whether it is still at its path."""
        found = FileIdentity.of(os.fstat(self.file))
        return self.path.exists() and file_at(self.path) == found

    def close(self) -> None:
        """Close the file."""
        os.close(self.file)


class LogReplaced(LogProblem):
    """Another file has replaced the log or its index.

    Attributes:
        path: The path of that file.
    """

    def __init__(self, path: Path) -> None:
        """Take the path."""
        super().__init__(f"{path} was replaced by another file")
        self.path = path


class LogTruncated(LogProblem):
    """The log is shorter than it was."""


@define
class WatchedLog:
    """The log and the index that the connections of one store use.

    SQLite replaces neither while a connection is open: it deletes both when the last one closes.
    """

    paths: LogPaths
    _file: int
    _log: FileIdentity
    _index: FileIdentity
    _size: int

    @classmethod
    def opened(cls, paths: LogPaths) -> Self:
        """Watch the files that a connection has just opened.

        Raises:
            OSError: One of them is gone.
        """
        index = file_at(paths.index)
        file = os.open(paths.log, os.O_RDONLY | os.O_CLOEXEC)
        status = os.fstat(file)
        return cls(paths, file, FileIdentity.of(status), index, status.st_size)

    def close(self) -> None:
        """Stop watching. Closing the log drops no locks: SQLite locks only the other files."""
        os.close(self._file)

    def require(self) -> None:
        """Check that the files at these paths are the ones that the connections use.

        Raises:
            LogTruncated: The log is shorter than it was. Another process may have written it into
                the database and emptied it, as it may.
            LogProblem: A file was deleted or replaced.
        """
        # Read before the file's size: other threads let both grow in between.
        known_size = self._size
        size = _require(self.paths.log, self._log).st_size
        _require(self.paths.index, self._index)
        if size < known_size:
            message = f"{self.paths.log} was truncated"
            raise LogTruncated(message)
        self._size = size

    def require_written(self) -> None:
        """Check, after a commit, that the log at this path can contain it.

        Raises:
            LogProblem: As `require` does, or the log has lost its beginning.
        """
        self.require()
        if os.pread(self._file, len(_MAGIC[0]), 0) not in _MAGIC:
            message = f"{self.paths.log} was truncated"
            raise LogTruncated(message)

    @property
    def is_gone(self) -> bool:
        """Whether the log is no longer at its path, and no other one has begun there."""
        log = self.paths.log
        return not log.exists() or (file_at(log) != self._log and log.stat().st_size == 0)

    def note_emptied(self) -> None:
        """Note that the log was emptied after it had been written into the database."""
        self._size = 0


def _require(path: Path, expected: FileIdentity) -> os.stat_result:
    try:
        status = path.stat()
    except FileNotFoundError:
        message = f"{path} was deleted"
        raise LogProblem(message) from None
    if FileIdentity.of(status) != expected:
        raise LogReplaced(path)
    return status
