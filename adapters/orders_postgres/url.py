"""Where the database is and how to reach it: a URL in libpq's words, checked whole."""

import re
from collections.abc import Iterator, Mapping
from enum import Enum
from ipaddress import ip_address
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import quote, unquote

from attrs import field, frozen

from orders_postgres.words import FIXED, REFUSED

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
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
    "channel_binding",
    "application_name",
    "fallback_application_name",
    "options",
    "connect_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
    "target_session_attrs",
)
"""The parameters that a URL may have; each means what it means to libpq.

Besides, there are those of `FIXED` and `REFUSED`.
"""

_OF_TLS: Final = tuple(name for name in PARAMETERS if re.match("ssl(?!mode)", name))
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
_MAX_MILLISECONDS: Final = 99_999_999
_WHOLE_MILLISECONDS: Final = re.compile(r"[0-9]{1,8}")
_OTHER_TARGETS: Final = {"primary", "standby", "read-only", "prefer-standby"}


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


class ChannelBinding(Enum):
    """Whether the log-in by password proves that it is for the very server that TLS leads to."""

    DISABLE = "disable"
    """Never."""
    PREFER = "prefer"
    """Where the server and TLS can."""
    REQUIRE = "require"
    """Always: any other log-in is given up before the password is used."""


class TlsVersion(Enum):
    """A version of TLS; older ones are broken."""

    TLS_1_2 = "TLSv1.2"
    TLS_1_3 = "TLSv1.3"


@frozen
class KeepAlive:
    """How the system finds out that the other side of a TCP connection is gone.

    Attributes:
        enabled: Whether a silent connection is probed at all.
        idle: Seconds of silence before the first probe; None and 0 are the system's.
        interval: Seconds between two probes; None and 0 are the system's.
        count: How many probes may be lost; None and 0 are the system's.
        user_timeout: Milliseconds that what was sent may stay unconfirmed; None and 0 are the
            system's.
    """

    enabled: bool = True
    idle: int | None = None
    interval: int | None = None
    count: int | None = None
    user_timeout: int | None = None


class TargetSessionAttrs(Enum):
    """Which of several servers is wanted.

    libpq's other words are left out: each can lead to a server that takes no writes.
    """

    ANY = "any"
    """Whichever answers."""
    READ_WRITE = "read-write"
    """One that takes writes: no standby, and not read-only by default."""


@frozen
class Host:
    """One place where the database may be.

    Attributes:
        name: A name, an address, or, beginning with `/`, the directory of a Unix socket.
        port: The port; for a socket, the number in its name.
    """

    name: str
    port: int = DEFAULT_PORT

    @property
    def socket_path(self) -> str | None:
        """The path of the Unix socket, or None when the host is reached over TCP."""
        return f"{self.name}/.s.PGSQL.{self.port}" if self.name.startswith("/") else None

    @property
    def is_local(self) -> bool:
        """Whether nothing that is sent to it leaves this machine: a socket, or loopback."""
        if self.socket_path is not None:
            return True
        try:
            return ip_address(self.name).is_loopback
        except ValueError:
            return self.name == "localhost"

    @property
    def quoted(self) -> str:
        """As it stands in a URL: percent-encoded, an IPv6 address in brackets."""
        if ":" in self.name and self.socket_path is None:
            return f"[{quote(self.name, safe=':')}]:{self.port}"
        return f"{quote(self.name, safe='')}:{self.port}"

    def __str__(self) -> str:
        """Write for messages: `db.example:5432`."""
        return f"{self.name}:{self.port}"


@frozen(kw_only=True)
class DatabaseUrl:
    """A checked database URL; see PostgreSQL, "Connection URIs" and "Parameter Key Words".

    Attributes:
        hosts: Where the database is, at least one; they are tried in this order.
        database: The database's name.
        user: The role to connect as.
        password: The password, if the URL or its caller gave one.
        password_file: A file that holds the password; it is read again for each connection.
        sslmode: What a connection must prove.
        sslrootcert: The certificates (PEM) of the trusted authorities; None is the system's.
        sslcert: The client's certificate (PEM), followed by its chain.
        sslkey: The private key of `sslcert`.
        sslcrl: A list of revoked certificates (PEM).
        ssl_min_protocol_version: The oldest version of TLS that is spoken.
        ssl_max_protocol_version: The newest one; None is the newest there is.
        channel_binding: Whether the log-in is bound to the TLS connection.
        application_name: The name that the server shows for the connection.
        options: Settings of the server for each session, as `-c name=value`. What Orders sets
            itself holds all the same.
        connect_timeout: Seconds that a connection may take to be made, for each host.
        keepalive: How a silent connection is probed.
        target_session_attrs: Which of the hosts is wanted.
    """

    hosts: tuple[Host, ...]
    database: str
    user: str
    password: str | None = field(default=None, repr=False)
    password_file: Path | None = None
    sslmode: SslMode
    sslrootcert: Path | None = None
    sslcert: Path | None = None
    sslkey: Path | None = None
    sslcrl: Path | None = None
    ssl_min_protocol_version: TlsVersion = TlsVersion.TLS_1_2
    ssl_max_protocol_version: TlsVersion | None = None
    channel_binding: ChannelBinding = ChannelBinding.PREFER
    application_name: str = DEFAULT_APPLICATION_NAME
    options: str | None = None
    connect_timeout: int = DEFAULT_CONNECT_SECONDS
    keepalive: KeepAlive = KeepAlive()
    target_session_attrs: TargetSessionAttrs = TargetSessionAttrs.ANY

    @classmethod
    def parse(
        cls,
        url: str,
        *,
        password: str | None = None,
        password_file: Path | None = None,
    ) -> "DatabaseUrl":
        """Read a URL and check it as a whole.

        Without `sslmode`, any host that is neither loopback nor a socket means `verify-full`.

        Args:
            url: `postgresql://user:password@host:port/dbname?parameter=value&...`, each part
                percent-encoded. Every part may be given as a parameter instead. Several hosts
                are separated by commas: `host1:port1,host2:port2`; as parameters, `host` and
                `port` list as many, or `port` is one for all.
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
        hosts = _hosts(given, problems)
        checked = cls(
            hosts=hosts,
            database=_required(given, "dbname", problems),
            user=_required(given, "user", problems),
            password=given.get("password", password),
            password_file=password_file,
            sslmode=_sslmode(given, hosts, problems),
            sslrootcert=_path(given, "sslrootcert", problems),
            sslcert=_path(given, "sslcert", problems),
            sslkey=_path(given, "sslkey", problems),
            sslcrl=_path(given, "sslcrl", problems),
            ssl_min_protocol_version=_choice(
                given, "ssl_min_protocol_version", TlsVersion, TlsVersion.TLS_1_2, problems
            ),
            ssl_max_protocol_version=_choice(
                given, "ssl_max_protocol_version", TlsVersion, None, problems
            ),
            channel_binding=_choice(
                given, "channel_binding", ChannelBinding, ChannelBinding.PREFER, problems
            ),
            application_name=_application_name(given),
            options=given.get("options"),
            connect_timeout=_connect_timeout(given, problems),
            keepalive=_keepalive(given, problems),
            target_session_attrs=_target_session_attrs(given, problems),
        )
        problems.extend(_tls_problems(checked, given))
        if problems:
            raise InvalidDatabaseUrl(tuple(problems))
        return checked

    @property
    def place(self) -> str:
        """Hosts, ports and database, for messages: `db.example:5432/ordersdb`."""
        return f"{','.join(map(str, self.hosts))}/{self.database}"

    @property
    def redacted(self) -> str:
        """The URL for people to read: complete, with `***` where the password was."""
        hosts = ",".join(host.quoted for host in self.hosts)
        secret = "" if self.password is None else ":***"
        parameters = {
            "sslmode": self.sslmode.value,
            "sslrootcert": self.sslrootcert,
            "sslcert": self.sslcert,
            "sslkey": self.sslkey,
            "sslcrl": self.sslcrl,
            **self._given_rarely(),
            "application_name": self.application_name,
            "connect_timeout": self.connect_timeout,
            "target_session_attrs": self.target_session_attrs.value,
        }
        query = "&".join(
            f"{name}={quote(str(value), safe='/')}"
            for name, value in parameters.items()
            if value is not None
        )
        user, database = quote(self.user, safe=""), quote(self.database, safe="")
        return f"postgresql://{user}{secret}@{hosts}/{database}?{query}"

    def _given_rarely(self) -> Mapping[str, str | int | None]:
        """Give the parameters that are written only when they are not as they are by default."""
        newest, alive = self.ssl_max_protocol_version, self.keepalive
        oldest, binding = self.ssl_min_protocol_version, self.channel_binding
        return {
            "ssl_min_protocol_version": None if oldest is TlsVersion.TLS_1_2 else oldest.value,
            "ssl_max_protocol_version": None if newest is None else newest.value,
            "channel_binding": None if binding is ChannelBinding.PREFER else binding.value,
            "options": self.options,
            "keepalives": None if alive.enabled else 0,
            "keepalives_idle": alive.idle,
            "keepalives_interval": alive.interval,
            "keepalives_count": alive.count,
            "tcp_user_timeout": alive.user_timeout,
        }

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
    authority = _authority(shape["authority"])
    given: dict[str, str] = {}
    user, colon, password = (shape["userinfo"] or "").partition(":")
    parts = {
        "user": user or None,
        "password": password if colon else None,
        **authority,
        "dbname": shape["dbname"] or None,
    }
    named = ((name, text) for name, text in parts.items() if text is not None)
    for name, text in (*named, *_query(shape["query"], problems)):
        if name in given:
            problems.append(f"{name} is given more than once")
        given[name] = _decoded(name, text, problems)
    return given


def _authority(text: str) -> Mapping[str, str | None]:
    """Take hosts and ports apart, as the parameters `host` and `port` would list them."""
    names: list[str] = []
    ports: list[str | None] = []
    for each in text.split(","):
        match = _AUTHORITY.fullmatch(each)
        if match is None:
            problem = "the part after @ is not host:port; an IPv6 address stands in [ ]"
            raise InvalidDatabaseUrl((problem,))
        names.append(match["address"] or match["host"] or "")
        ports.append(match["port"])
    any_port = any(port is not None for port in ports)
    return {
        "host": ",".join(names) or None,
        "port": ",".join(port or "" for port in ports) if any_port else None,
    }


def _query(query: str | None, problems: list[str]) -> Iterator[tuple[str, str]]:
    for number, parameter in enumerate(query.split("&") if query else (), start=1):
        name, equals, text = parameter.partition("=")
        if name in PARAMETERS and equals:
            yield name, text
        elif name in REFUSED:
            problems.append(f"{name} is not taken: {REFUSED[name]}")
        elif name in FIXED and equals:
            problems.extend(_fixed_problem(name, text))
        else:
            # Not quoted: it may be what follows an unencoded "&" of a password.
            problems.append(
                f"parameter {number} after the ? is unknown or has no =; "
                f"known are {', '.join(PARAMETERS)}",
            )


def _fixed_problem(name: str, text: str) -> Iterator[str]:
    fixed = FIXED[name]
    if unquote(text).lower() not in fixed.values:
        known = f"can only be {' or '.join(fixed.values)}" if fixed.values else "is not taken"
        yield f"{name} {known}: {fixed.reason}"


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


def _hosts(given: Mapping[str, str], problems: list[str]) -> tuple[Host, ...]:
    names = _required(given, "host", problems).split(",")
    if len(names) > 1 and "" in names:
        problems.append("host lists an empty host")
    ports = _ports(given, problems)
    if len(ports) == 1:
        ports *= len(names)
    elif len(ports) != len(names):
        problems.append(
            f"port lists {len(ports)} ports for {len(names)} hosts; "
            "give one for each, or one for all",
        )
    return tuple(Host(name, port) for name, port in zip(names, ports, strict=False))


def _ports(given: Mapping[str, str], problems: list[str]) -> list[int]:
    texts = given.get("port", str(DEFAULT_PORT)).split(",")
    if len(texts) > 1:
        texts = [text or str(DEFAULT_PORT) for text in texts]
    # Not quoted: of `postgresql://user:password` it would be the password.
    if not all(_WHOLE_NUMBER.fullmatch(text) and 1 <= int(text) <= _MAX_PORT for text in texts):
        problems.append(f"port is not a number from 1 to {_MAX_PORT}")
        return [DEFAULT_PORT] * len(texts)
    return [int(text) for text in texts]


_Choice = TypeVar("_Choice", bound=Enum)
_Default = TypeVar("_Default", bound=Enum | None)


def _choice(
    given: Mapping[str, str],
    name: str,
    choices: type[_Choice],
    default: _Default,
    problems: list[str],
) -> _Choice | _Default:
    text = given.get(name)
    if text is None:
        return default
    known = {each.value.lower(): each for each in choices}
    if text.lower() not in known:
        problems.append(f"{name} must be one of {', '.join(each.value for each in choices)}")
    return known.get(text.lower(), default)


def _application_name(given: Mapping[str, str]) -> str:
    fallback = given.get("fallback_application_name", DEFAULT_APPLICATION_NAME)
    return given.get("application_name", fallback)


def _keepalive(given: Mapping[str, str], problems: list[str]) -> KeepAlive:
    enabled = given.get("keepalives", "1")
    if enabled not in {"0", "1"}:
        problems.append("keepalives is neither 0 nor 1")

    def number(name: str) -> int | None:
        text = given.get(name)
        if text is None:
            return None
        if not _WHOLE_MILLISECONDS.fullmatch(text) or int(text) > _most(name):
            problems.append(f"{name} is not a number from 0 to {_most(name)}")
            return None
        return int(text)

    return KeepAlive(
        enabled != "0",
        idle=number("keepalives_idle"),
        interval=number("keepalives_interval"),
        count=number("keepalives_count"),
        user_timeout=number("tcp_user_timeout"),
    )


def _most(name: str) -> int:
    """Give the greatest number that the system takes for a parameter of TCP."""
    return {"keepalives_count": 127, "tcp_user_timeout": _MAX_MILLISECONDS}.get(name, 32_767)


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


def _target_session_attrs(
    given: Mapping[str, str],
    problems: list[str],
) -> TargetSessionAttrs:
    known = {each.value: each for each in TargetSessionAttrs}
    text = given.get("target_session_attrs", TargetSessionAttrs.ANY.value)
    if text in _OTHER_TARGETS:
        problems.append(
            f"target_session_attrs={text} can lead to a server that takes no writes; "
            "write read-write",
        )
    elif text not in known:
        problems.append(f"target_session_attrs must be one of {', '.join(known)}")
    return known.get(text, TargetSessionAttrs.ANY)


def _sslmode(
    given: Mapping[str, str],
    hosts: tuple[Host, ...],
    problems: list[str],
) -> SslMode:
    text = given.get("sslmode")
    if text is None:
        local = all(host.is_local for host in hosts)
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
        problems.append(f"sslmode must be one of {', '.join(known)}")
    return SslMode.VERIFY_FULL


def _tls_problems(url: DatabaseUrl, given: Mapping[str, str]) -> Iterator[str]:
    if url.sslmode is SslMode.DISABLE:
        unused = [name for name in _OF_TLS if name in given]
        if url.channel_binding is ChannelBinding.REQUIRE:
            unused.append("channel_binding=require")
        if unused:
            yield f"{', '.join(unused)} would have no effect without TLS; add sslmode=verify-full"
        return
    versions = [each.value for each in TlsVersion]
    newest = url.ssl_max_protocol_version or TlsVersion.TLS_1_3
    if versions.index(newest.value) < versions.index(url.ssl_min_protocol_version.value):
        yield "ssl_max_protocol_version is older than ssl_min_protocol_version"
    if all(host.socket_path is not None for host in url.hosts):
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
