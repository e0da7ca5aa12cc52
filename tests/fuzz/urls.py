"""Database URLs: writing and reading one again changes nothing, and no message has a secret."""

from pathlib import Path
from typing import Final
from urllib.parse import unquote
from zlib import crc32

from attrs import evolve

from orders_core.database import Database, InvalidDatabase
from orders_postgres import DatabaseUrl, PostgresDatabase
from orders_service.databases import parse_database
from orders_sqlite import SqliteDatabase
from tests.fuzz.target import Target

# No word of any message, and nothing that percent-decoding changes.
_CANARY: Final = "Zq7Xw"
_HIDDEN: Final = "***"


def check(content: bytes) -> None:
    """Read a URL, and the same URL with a canary inserted."""
    text = content.decode(errors="surrogateescape")
    if _CANARY in unquote(text):
        return  # It could be in any part of the URL.
    database = _read(text)
    if isinstance(database, SqliteDatabase):
        assert parse_database(str(database)) == database
    elif isinstance(database, PostgresDatabase):
        _check_postgres(database.url)
    at = crc32(content) % (len(text) + 1)
    with_canary = _read(text[:at] + _CANARY + text[at:])
    if isinstance(with_canary, PostgresDatabase):
        _check_hidden(with_canary)


def _check_postgres(url: DatabaseUrl) -> None:
    again = DatabaseUrl.parse(str(url))
    assert again == (url if url.password is None else evolve(url, password=_HIDDEN))
    assert str(again) == str(url)
    if url.password is None:
        apart = parse_database(str(url), password=_CANARY)
        assert isinstance(apart, PostgresDatabase)
        assert apart.url == evolve(url, password=_CANARY)
        _check_hidden(apart)
        path = Path("secret")
        in_file = DatabaseUrl.parse(str(url), password_file=path)
        assert in_file == evolve(url, password_file=path)


def _check_hidden(database: PostgresDatabase) -> None:
    if _CANARY in (database.url.password or ""):
        for shown in (str(database), repr(database), database.url.address):
            assert _CANARY not in shown, "a password is shown"


def _read(text: str) -> Database | None:
    """Read a URL; check the messages when it is refused."""
    try:
        return parse_database(text)
    except InvalidDatabase as error:
        assert error.problems
        for problem in error.problems:
            assert _CANARY not in problem, "a message quotes what may be a password"
            assert problem.isprintable()
    return None


TARGET: Final = Target(
    check=check,
    seeds=(
        b"postgresql://ordersuser:s3cr%40t@db.example:5432/ordersdb?sslmode=verify-full",
        b"postgres://u@[::1]:5433,127.0.0.1,h2:1/d?connect_timeout=5&application_name=a%20b",
        b"postgresql:///d?host=/run/postgresql&user=u&password=p&sslmode=disable&port=1",
        b"postgresql://u:p@h/d?sslrootcert=/a%2Fb&sslcert=c&sslkey=k&sslcrl=l&sslmode=verify-ca",
        b"postgresql://u@h/d?target_session_attrs=read-write&sslrootcert=system",
        b"sqlite:///a%20b/orders~.db",
        b"sqlite:////var/lib/orders/%C3%A9.db",
        b"sqlite:///:memory:?x#y",
    ),
    words=(
        *(b"postgresql://", b"postgres://", b"sqlite:///", b"@", b":", b"/", b"?", b"&", b"#"),
        *(b"%40", b"%00", b"%ff", b"%", b"[::1]", b"localhost", b",", b"host=", b"port=", b"user="),
        *(b"dbname=", b"password=", b"sslmode=", b"disable", b"require", b"prefer", b"verify-ca"),
        *(b"sslrootcert=", b"system", b"sslcert=", b"sslkey=", b"sslcrl=", b"connect_timeout="),
        *(b"target_session_attrs=", b"any", b"read-write", b"application_name=", b"65535", b"0"),
    ),
    max_bytes=200,
    share=10,
)
