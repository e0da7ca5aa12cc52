"""Where the database is and how to reach it: a URL in libpq's words, checked whole."""

import re
from collections.abc import Iterator, Mapping
from enum import Enum
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from attrs import field, frozen

DEFAULT_PORT: Final = 5432
DEFAULT_CONNECT_SECONDS: Final = 2
MAX_CONNECT_SECONDS: Final = 60
DEFAULT_APPLICATION_NAME: Final = "orders"

PARAMETERS: Final = (
    "host",
    "port",
    "dbname",
    "user",
    "password",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "sslcrl",
    "application_name",
    "connect_timeout",
)
"""The parameters that a URL may have; each means what it means to libpq."""

_SCHEMES: Final = ("postgresql://", "postgres://")
# An "@" may stand only once: elsewhere it tells of a password that was not percent-encoded.
_SHAPE: Final = re.compile(
    r"(?:(?P<userinfo>[^@/?#]*)@)?(?P<authority>[^@/?#]*)"
    r"(?:/(?P<dbname>[^@?#]*))?(?:\?(?P<query>[^@#]*))?",
)
_AUTHORITY: Final = re.compile(
    r"(?:\[(?P<address>[^\[\]]*)\]|(?P<host>[^:\[\]]*))(?::(?P<port>[^:]*))?",
)
_BAD_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNUSABLE: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_WHOLE_NUMBER: Final = re.compile(r"[0-9]{1,5}")
_MAX_PORT: Final = 65_535


class InvalidDatabaseUrl(ValueError):
    """A database URL cannot be used.

    Attributes:
        problems: Everything that is wrong, at least one. No problem holds any part of the URL
            that could be of the password.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        """Take every problem found, so that one answer can name them all."""
        super().__init__("; ".join(problems))
        self.problems = problems


class SslMode(Enum):
    """What a connection must prove before anything is sent over it.

    libpq's `allow` and `prefer` are left out: both fall back to plain text.
    """

    DISABLE = "disable"
    """Plain text."""
    REQUIRE = "require"
    """Encrypted, the other side unverified; with a root certificate the same as `VERIFY_CA`."""
    VERIFY_CA = "verify-ca"
    """Encrypted, and the server's certificate comes from the given authority."""
    VERIFY_FULL = "verify-full"
    """As `VERIFY_CA`, and the certificate names the host that was asked for."""


@frozen(kw_only=True)
class DatabaseUrl:
    """A checked database URL; see PostgreSQL, "Connection URIs" and "Parameter Key Words".

    Attributes:
        host: A name, an address, or, beginning with `/`, the directory of a Unix socket.
        port: The port; for a socket, the number in its name.
        database: The database's name.
        user: The role to connect as.
        password: The password, if the URL or its caller gave one.
        password_file: A file that holds the password; it is read again for each connection.
        sslmode: What a connection must prove.
        sslrootcert: The certificates (PEM) of the trusted authorities; None is the system's.
        sslcert: The client's certificate (PEM), followed by its chain.
        sslkey: The private key of `sslcert`.
        sslcrl: A list of revoked certificates (PEM).
        application_name: The name that the server shows for the connection.
        connect_timeout: Seconds that a connection may take to be made.
    """

    host: str
    port: int = DEFAULT_PORT
    database: str
    user: str
    password: str | None = field(default=None, repr=False)
    password_file: Path | None = None
    sslmode: SslMode
    sslrootcert: Path | None = None
    sslcert: Path | None = None
    sslkey: Path | None = None
    sslcrl: Path | None = None
    application_name: str = DEFAULT_APPLICATION_NAME
    connect_timeout: int = DEFAULT_CONNECT_SECONDS

    @classmethod
    def parse(
        cls,
        url: str,
        *,
        password: str | None = None,
        password_file: Path | None = None,
    ) -> "DatabaseUrl":
        """Read a URL and check it as a whole.

        Without `sslmode`, a host that is neither loopback nor a socket means `verify-full`.

        Args:
            url: `postgresql://user:password@host:port/dbname?parameter=value&...`, each part
                percent-encoded. Every part may be given as a parameter instead.
            password: The password, when the URL has none.
            password_file: A file that holds the password, when neither gives it.

        Raises:
            InvalidDatabaseUrl: With every problem found.
        """
        problems: list[str] = []
        given = _given(url, problems)
        sources = (given.get("password"), password, password_file)
        if sum(source is not None for source in sources) > 1:
            problems.append("the password is given more than once (URL, password, password file)")
        if password is not None and _UNUSABLE.search(password):
            problems.append("password holds a control character or a lone surrogate")
        host = _required(given, "host", problems)
        if "," in host:
            problems.append("host lists several hosts; one is supported")
        checked = cls(
            host=host,
            port=_port(given, problems),
            database=_required(given, "dbname", problems),
            user=_required(given, "user", problems),
            password=given.get("password", password),
            password_file=password_file,
            sslmode=_sslmode(given, host, problems),
            sslrootcert=_path(given, "sslrootcert", problems),
            sslcert=_path(given, "sslcert", problems),
            sslkey=_path(given, "sslkey", problems),
            sslcrl=_path(given, "sslcrl", problems),
            application_name=given.get("application_name", DEFAULT_APPLICATION_NAME),
            connect_timeout=_connect_timeout(given, problems),
        )
        problems.extend(_tls_problems(checked, given))
        if problems:
            raise InvalidDatabaseUrl(tuple(problems))
        return checked

    @property
    def socket_path(self) -> str | None:
        """The path of the Unix socket, or None when the host is reached over TCP."""
        return f"{self.host}/.s.PGSQL.{self.port}" if _is_socket(self.host) else None

    @property
    def place(self) -> str:
        """Host, port and database, for messages: `db.example:5432/ordersdb`."""
        return f"{self.host}:{self.port}/{self.database}"

    @property
    def redacted(self) -> str:
        """The URL for people to read: complete, with `***` where the password was."""
        bracketed = ":" in self.host and not _is_socket(self.host)
        host = f"[{quote(self.host, safe=':')}]" if bracketed else quote(self.host, safe="")
        secret = "" if self.password is None else ":***"
        parameters = {
            "sslmode": self.sslmode.value,
            "sslrootcert": self.sslrootcert,
            "sslcert": self.sslcert,
            "sslkey": self.sslkey,
            "sslcrl": self.sslcrl,
            "application_name": self.application_name,
            "connect_timeout": self.connect_timeout,
        }
        query = "&".join(
            f"{name}={quote(str(value), safe='/')}"
            for name, value in parameters.items()
            if value is not None
        )
        user, database = quote(self.user, safe=""), quote(self.database, safe="")
        return f"postgresql://{user}{secret}@{host}:{self.port}/{database}?{query}"

    def __str__(self) -> str:
        """Give the redacted form: a URL that is printed shows no secret."""
        return self.redacted


def _given(url: str, problems: list[str]) -> Mapping[str, str]:
    """Take a URL apart into decoded parameters, each given at most once."""
    scheme = next((each for each in _SCHEMES if url.startswith(each)), None)
    if scheme is None:
        raise InvalidDatabaseUrl(("must begin with postgresql:// or postgres://",))
    shape = _SHAPE.fullmatch(url, len(scheme))
    if shape is None:
        problem = (
            "is not postgresql://user:password@host:port/dbname?parameter=value; inside a part "
            "write @ as %40, # as %23, / as %2F, ? as %3F, & as %26"
        )
        raise InvalidDatabaseUrl((problem,))
    authority = _AUTHORITY.fullmatch(shape["authority"])
    if authority is None:
        problem = "the part after @ is not host:port; an IPv6 address stands in [ ]"
        raise InvalidDatabaseUrl((problem,))
    given: dict[str, str] = {}
    user, colon, password = (shape["userinfo"] or "").partition(":")
    parts = {
        "user": user or None,
        "password": password if colon else None,
        "host": authority["address"] or authority["host"] or None,
        "port": authority["port"],
        "dbname": shape["dbname"] or None,
    }
    named = ((name, text) for name, text in parts.items() if text is not None)
    for name, text in (*named, *_query(shape["query"], problems)):
        if name in given:
            problems.append(f"{name} is given more than once")
        given[name] = _decoded(name, text, problems)
    return given


def _query(query: str | None, problems: list[str]) -> Iterator[tuple[str, str]]:
    for number, parameter in enumerate(query.split("&") if query else (), start=1):
        name, equals, text = parameter.partition("=")
        if name in PARAMETERS and equals:
            yield name, text
        else:
            # Not quoted: it may be what follows an unencoded "&" of a password.
            problems.append(
                f"parameter {number} after the ? is unknown or has no =; "
                f"known are {', '.join(PARAMETERS)}",
            )


def _decoded(name: str, text: str, problems: list[str]) -> str:
    if _BAD_PERCENT.search(text):
        problems.append(f"{name} has a % that begins no percent-encoded byte; write % as %25")
    try:
        value = unquote(text, errors="strict")
    except UnicodeDecodeError:
        problems.append(f"{name} is not UTF-8 when percent-decoded")
        return "?"
    if _UNUSABLE.search(value):
        problems.append(f"{name} holds a control character or a lone surrogate")
    return value


def _required(given: Mapping[str, str], name: str, problems: list[str]) -> str:
    value = given.get(name, "")
    if not value:
        problems.append(f"{name} is missing")
    return value


def _port(given: Mapping[str, str], problems: list[str]) -> int:
    text = given.get("port", str(DEFAULT_PORT))
    # Not quoted: of `postgresql://user:password` it would be the password.
    if not _WHOLE_NUMBER.fullmatch(text) or not 1 <= int(text) <= _MAX_PORT:
        problems.append(f"port is not a number from 1 to {_MAX_PORT}")
        return DEFAULT_PORT
    return int(text)


def _connect_timeout(given: Mapping[str, str], problems: list[str]) -> int:
    text = given.get("connect_timeout", str(DEFAULT_CONNECT_SECONDS))
    if not _WHOLE_NUMBER.fullmatch(text) or not 1 <= int(text) <= MAX_CONNECT_SECONDS:
        problems.append(f"connect_timeout is not a number of seconds, 1 to {MAX_CONNECT_SECONDS}")
        return DEFAULT_CONNECT_SECONDS
    return int(text)


def _path(given: Mapping[str, str], name: str, problems: list[str]) -> Path | None:
    text = given.get(name)
    if text is None or (name == "sslrootcert" and text == "system"):
        return None
    if not text:
        problems.append(f"{name} is empty; it must be the path of a file")
    return Path(text)


def _is_socket(host: str) -> bool:
    return host.startswith("/")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _sslmode(given: Mapping[str, str], host: str, problems: list[str]) -> SslMode:
    text = given.get("sslmode")
    if text is None:
        local = _is_socket(host) or _is_loopback(host)
        return SslMode.DISABLE if local else SslMode.VERIFY_FULL
    known = {mode.value: mode for mode in SslMode}
    if text in known:
        return known[text]
    if text in {"allow", "prefer"}:
        problems.append(
            f"sslmode={text} falls back to plain text when TLS fails; "
            "write verify-full, or disable if plain text is meant",
        )
    else:
        problems.append(f"sslmode is none of {', '.join(known)}")
    return SslMode.VERIFY_FULL


def _tls_problems(url: DatabaseUrl, given: Mapping[str, str]) -> Iterator[str]:
    if url.sslmode is SslMode.DISABLE:
        unused = [name for name in ("sslrootcert", "sslcert", "sslkey", "sslcrl") if name in given]
        if unused:
            yield f"{', '.join(unused)} would have no effect without TLS; add sslmode=verify-full"
        return
    if _is_socket(url.host):
        yield "sslmode must be disable for a Unix socket, which has no TLS"
    if (url.sslcert is None) != (url.sslkey is None):
        yield "sslcert and sslkey must be given together"
    if url.sslmode is not SslMode.VERIFY_FULL and url.sslrootcert is None:
        if url.sslmode is SslMode.VERIFY_CA or "sslrootcert" in given:
            yield (
                "the system's authorities need sslmode=verify-full: "
                "they sign a certificate for anyone, under that one's own name"
            )
        if url.sslcrl is not None:
            yield "sslcrl needs sslrootcert or sslmode=verify-full, else nothing is verified"
