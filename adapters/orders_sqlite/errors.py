"""What SQLite's errors, and those of the files, mean for a store."""

import errno
import sqlite3
from pathlib import Path
from typing import Final

from orders_core import Reason, StoreUnavailable
from orders_sqlite.disk import free_bytes, may_write
from orders_sqlite.files import LogPaths

_REASONS: Final = {
    sqlite3.SQLITE_BUSY: Reason.TIMEOUT,
    sqlite3.SQLITE_LOCKED: Reason.TIMEOUT,
    sqlite3.SQLITE_READONLY: Reason.READ_ONLY,
    sqlite3.SQLITE_FULL: Reason.EXHAUSTED,
    sqlite3.SQLITE_NOMEM: Reason.EXHAUSTED,
    sqlite3.SQLITE_CANTOPEN: Reason.UNREACHABLE,
    sqlite3.SQLITE_IOERR: Reason.UNREACHABLE,
    sqlite3.SQLITE_PERM: Reason.REFUSED,
    sqlite3.SQLITE_AUTH: Reason.REFUSED,
}
_OS_REASONS: Final = {
    errno.ENOSPC: Reason.EXHAUSTED,
    errno.EDQUOT: Reason.EXHAUSTED,
    errno.EROFS: Reason.READ_ONLY,
    errno.EACCES: Reason.REFUSED,
    errno.EPERM: Reason.REFUSED,
}
_OF_ACCESS: Final = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})
_PRIMARY_CODE: Final = 0xFF


def is_busy(error: sqlite3.OperationalError) -> bool:
    """Tell whether another connection holds the lock."""
    return error.sqlite_errorcode & _PRIMARY_CODE == sqlite3.SQLITE_BUSY


def unavailable(error: sqlite3.Error | OSError, path: Path) -> StoreUnavailable:
    """Translate an error of the database at a path."""
    if isinstance(error, OSError):
        reason = _OS_REASONS.get(error.errno or 0, Reason.UNREACHABLE)
        return StoreUnavailable(reason, f"{path}: {error.strerror}")
    # An error that Python itself raises has no code of SQLite.
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
    reason, message = _REASONS.get(code, Reason.FAILED), f"{path}: {error}"
    if code == sqlite3.SQLITE_IOERR and free_bytes(path) == 0:
        reason, message = Reason.EXHAUSTED, f"{message}; the disk is full"
    elif code in _OF_ACCESS and path.is_file():
        # SQLite writes to the file, to its folder, and to the log in that folder.
        needed = (path, path.resolve().parent, LogPaths.of(path).log)
        unwritable = [each for each in needed if each.exists() and not may_write(each)]
        if unwritable:
            reason = Reason.READ_ONLY
            message += f"; this user cannot write to {' and '.join(map(str, unwritable))}"
    return StoreUnavailable(reason, message)
