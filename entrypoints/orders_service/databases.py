"""The stores that a database URL can name. To add one, add a function and its prefix here."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from orders_core.database import Database, InvalidDatabase

_Parse = Callable[[str, str | Path | None], Database]


def _sqlite() -> _Parse:
    from orders_sqlite import SqliteDatabase  # noqa: PLC0415 - imported only for its URLs

    return SqliteDatabase.parse


def _postgres() -> _Parse:
    from orders_postgres import PostgresDatabase  # noqa: PLC0415 - needs an extra

    return PostgresDatabase.parse


_BY_PREFIX: Final[Mapping[str, Callable[[], _Parse]]] = {
    "sqlite:///": _sqlite,
    "postgresql://": _postgres,
    "postgres://": _postgres,
}


def parse_database(url: str, *, password: str | Path | None = None) -> Database:
    """Read a database URL.

    Args:
        url: `sqlite:///FILE`, or PostgreSQL's connection URI.
        password: The password, if the URL has none; or the path of a file that holds it, which is
            read again for each connection.

    Raises:
        InvalidDatabase: With every problem found, none of which quotes the password.
    """
    for prefix, parser in _BY_PREFIX.items():
        if url.startswith(prefix):
            return parser()(url, password)
    *others, last = _BY_PREFIX
    raise InvalidDatabase(f"it must begin with {', '.join(others)} or {last}")
