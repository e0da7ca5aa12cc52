"""The files of a database: the file itself, and the write-ahead log and its index beside it.

SQLite opens them by name once and never checks the names again. A commit into a log that was
deleted is lost when the process that has it open ends.
"""

import os
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Self

from attrs import define, frozen

_NEW_FILE_MODE: Final = 0o600

# The first bytes of a log (SQLite, "Database File Format", the WAL header), in either byte order.
_MAGIC: Final = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")


@frozen
class FileIdentity:
    """Which file it is, whatever its name: a name may come to mean another one."""

    device: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        """Give the identity of the file with this status."""
        return cls(status.st_dev, status.st_ino)


def file_at(path: Path) -> FileIdentity:
    """Tell which file is there now.

    Raises:
        OSError: There is none, or it cannot be reached.
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
    # Of a link, its target is created, as SQLite does.
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
    """Where SQLite has the write-ahead log and its index.

    Attributes:
        log: The log, which ends with `-wal`.
        index: Its index, which ends with `-shm`.
    """

    log: Path
    index: Path

    @classmethod
    def of(cls, database: Path) -> Self:
        """Give those of a database. They are beside the file that a link leads to."""
        target = database.resolve()
        return cls(*(target.with_name(f"{target.name}{suffix}") for suffix in ("-wal", "-shm")))

    @property
    def are_there(self) -> bool:
        """Whether both files exist."""
        return self.log.exists() and self.index.exists()


class LogProblem(Exception):
    """The log or its index is not what the open connections have."""


@frozen(eq=False)
class Replacement:
    """Another file in the place of a lost one, kept open so that no file gets its inode."""

    path: Path
    file: int

    @classmethod
    def at(cls, path: Path) -> Self:
        """Take the file that is there now.

        Raises:
            OSError: There is none, or it cannot be read.
        """
        return cls(path, os.open(path, os.O_RDONLY | os.O_CLOEXEC))

    @property
    def is_there(self) -> bool:
        """Whether its name still leads to it."""
        found = FileIdentity.of(os.fstat(self.file))
        return self.path.exists() and file_at(self.path) == found

    def close(self) -> None:
        """Forget it."""
        os.close(self.file)


class LogReplaced(LogProblem):
    """Another file is in the place of the log or its index.

    Attributes:
        path: Where it is.
    """

    def __init__(self, path: Path) -> None:
        """Take the place."""
        super().__init__(f"{path} was replaced by another file")
        self.path = path


class LogCutOff(LogProblem):
    """The log is shorter than it was."""


@define
class WatchedLog:
    """The log and the index that the connections of one store have open.

    Neither changes while a connection is open: SQLite deletes them when the last one is closed.
    """

    paths: LogPaths
    _file: int
    _log: FileIdentity
    _index: FileIdentity
    _size: int

    @classmethod
    def opened(cls, paths: LogPaths) -> Self:
        """Take those that are there now, just after a connection has opened them.

        Raises:
            OSError: One is not there any more.
        """
        index = file_at(paths.index)
        file = os.open(paths.log, os.O_RDONLY | os.O_CLOEXEC)
        status = os.fstat(file)
        return cls(paths, file, FileIdentity.of(status), index, status.st_size)

    def close(self) -> None:
        """Watch them no more. No lock is on the log, which closing it would drop."""
        os.close(self._file)

    def require(self) -> None:
        """Refuse to go on when a name does not lead to the file that the connections have.

        Raises:
            LogCutOff: The log is shorter than it was; another process may have emptied it rightly.
            LogProblem: A file was deleted or replaced.
        """
        size = _require(self.paths.log, self._log).st_size
        _require(self.paths.index, self._index)
        if size < self._size:
            message = f"{self.paths.log} was cut off"
            raise LogCutOff(message)
        self._size = size

    def require_written(self) -> None:
        """Refuse to report a commit that the log at this name does not hold.

        Raises:
            LogProblem: As `require` does, or the log has lost its beginning.
        """
        self.require()
        if os.pread(self._file, len(_MAGIC[0]), 0) not in _MAGIC:
            message = f"{self.paths.log} was cut off"
            raise LogCutOff(message)

    @property
    def is_gone(self) -> bool:
        """Whether no name leads to the log any more, and nobody has begun another one."""
        log = self.paths.log
        return not log.exists() or (file_at(log) != self._log and log.stat().st_size == 0)

    def begin_anew(self) -> None:
        """Take note that the log was emptied rightly."""
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
