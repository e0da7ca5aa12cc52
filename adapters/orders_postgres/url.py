"""Where the database is and how to reach it: a connection URI as libpq reads it."""

import re
from collections.abc import Iterator, Mapping
from enum import Enum
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode

from attrs import field, fields, frozen

from orders_postgres.parameters import (
    DEFAULT_APPLICATION_NAME,
    DEFAULT_CONNECT_SECONDS,
    DEFAULT_PORT,
    FIXED,
    PARAMETERS,
    READERS,
    REFUSED,
    TLS_FILES_AND_VERSIONS,
    ChannelBinding,
    SslMode,
    TargetSessionAttrs,
    TlsVersion,
    number,
)

_SCHEME: Final = re.compile("postgres(?:ql)?://")
_BAD_SHAPE: Final = (
    "is not postgresql://user:password@host:port/dbname?parameter=value; inside a part "
    "write @ as %40, # as %23, / as %2F, ? as %3F, & as %26"
)
_HOST: Final = re.compile(r"(?:\[([^\[\]]*)\]|([^:\[\]]*))(?::([^:]*))?")
_BAD_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNUSABLE: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_IS_UNUSABLE: Final = "contains a control character or a lone surrogate"
_ALWAYS_SHOWN: Final = {"application_name", "connect_timeout", "target_session_attrs"}
_read_port: Final = number(1, 65_535)


class InvalidDatabaseUrl(ValueError):
    """A database URL cannot be used.

    Attributes:
        problems: Everything that is wrong, at least one. No problem quotes any part of the URL
            that could belong to the password.
    """

    def __init__(self, *problems: str) -> None:
        """Store every problem found, so that one answer can name them all."""
        super().__init__("; ".join(problems))
        self.problems = problems


@frozen
class Host:
    """An address of a database server.

    Attributes:
        name: A host name, an IP address, or the directory of a Unix socket, which begins with `/`.
        port: The port; for a socket, the number in its name.
    """

    name: str
    port: int = DEFAULT_PORT

    @property
    def socket_path(self) -> str | None:
        """The path of the Unix socket, or None if the host is reached over TCP."""
        return f"{self.name}/.s.PGSQL.{self.port}" if self.name.startswith("/") else None

    @property
    def is_local(self) -> bool:
        """Whether a connection to it stays on this machine: a socket, or loopback."""
        if self.socket_path is not None:
            return True
        try:
            return ip_address(self.name).is_loopback
        except ValueError:
            return self.name == "localhost"

    @property
    def quoted(self) -> str:
        """The form in a URL: percent-encoded, an IPv6 address in brackets."""
        if ":" in self.name and self.socket_path is None:
            return f"[{quote(self.name, safe=':')}]:{self.port}"
        return f"{quote(self.name, safe='')}:{self.port}"

    def __str__(self) -> str:
        """Return the form for messages: `db.example:5432`."""
        return f"{self.name}:{self.port}"


@frozen(kw_only=True)
class DatabaseUrl:
    """A checked database URL; see PostgreSQL, "Connection URIs" and "Parameter Key Words".

    Attributes:
        hosts: The servers, at least one; they are tried in this order.
        database: The database's name.
        user: The role to connect as.
        password: The password, if the URL or its caller gave one.
        password_file: A file that contains the password; it is read again for each connection.
        sslmode: What a connection must prove.
        sslrootcert: The certificates (PEM) of the trusted authorities; None is the system's.
        sslcert: The client's certificate (PEM), followed by its chain.
        sslkey: The private key of `sslcert`.
        sslcrl: A certificate revocation list (PEM).
        ssl_min_protocol_version: The oldest accepted version of TLS.
        ssl_max_protocol_version: The newest accepted version of TLS; None is no limit.
        channel_binding: Whether a password login is bound to the TLS connection.
        options: Server settings for each session, as `-c name=value`. They cannot override the
            settings that Orders makes itself.
        keepalives: Whether TCP probes a silent connection.
        keepalives_idle: Seconds of silence before the first probe; here and below, None and 0
            are the system's default.
        keepalives_interval: Seconds between two probes.
        keepalives_count: How many probes may be lost.
        tcp_user_timeout: Milliseconds that sent data may stay unacknowledged.
        application_name: The name that the server shows for the connection.
        connect_timeout: The time limit for connecting to one host, in seconds.
        target_session_attrs: Which of the hosts to use.
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
    options: str | None = None
    keepalives: bool = True
    keepalives_idle: int | None = None
    keepalives_interval: int | None = None
    keepalives_count: int | None = None
    tcp_user_timeout: int | None = None
    application_name: str = DEFAULT_APPLICATION_NAME
    connect_timeout: int = DEFAULT_CONNECT_SECONDS
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

        Without `sslmode`, any host that is not local means `verify-full`.

        Args:
            url: `postgresql://user:password@host:port/dbname?parameter=value&...`, each part
                percent-encoded. Every part may be given as a parameter instead. Several hosts
                are separated by commas: `host1:port1,host2:port2`; as parameters, `host` and
                `port` list as many, or `port` is one for all.
            password: The password, if it is not in the URL.
            password_file: A file that contains the password, if it is given nowhere else.

        Raises:
            InvalidDatabaseUrl: With every problem found.
        """
        problems: list[str] = []
        given = _given(url, problems)
        sources = (given.get("password"), password, password_file)
        if sum(source is not None for source in sources) > 1:
            problems.append("the password is given more than once (URL, password, password file)")
        if password is not None and _UNUSABLE.search(password):
            problems.append(f"password {_IS_UNUSABLE}")
        hosts = _hosts(given, problems)
        checked = cls(
            hosts=hosts,
            database=_required(given, "dbname", problems),
            user=_required(given, "user", problems),
            password=given.get("password", password),
            password_file=password_file,
            **{"sslmode": _default_sslmode(given, hosts), **_values(given, problems)},
        )
        problems.extend(_tls_problems(checked, given))
        if problems:
            raise InvalidDatabaseUrl(*problems)
        return checked

    @property
    def address(self) -> str:
        """Hosts, ports and database, for messages: `db.example:5432/ordersdb`."""
        return f"{','.join(map(str, self.hosts))}/{self.database}"

    @property
    def redacted(self) -> str:
        """The URL for people to read: complete, with `***` in place of the password."""
        hosts = ",".join(host.quoted for host in self.hosts)
        secret = "" if self.password is None else ":***"
        user, database = quote(self.user, safe=""), quote(self.database, safe="")
        query = urlencode(dict(self._shown()), quote_via=quote, safe="/")
        return f"postgresql://{user}{secret}@{hosts}/{database}?{query}"

    def _shown(self) -> Iterator[tuple[str, object]]:
        for each in fields(DatabaseUrl):
            value = getattr(self, each.name)
            if each.name in READERS and (value != each.default or each.name in _ALWAYS_SHOWN):
                text = value.value if isinstance(value, Enum) else value
                yield each.name, int(text) if isinstance(text, bool) else text

    def __str__(self) -> str:
        """Return the redacted form: printing a URL reveals no secret."""
        return self.redacted


# Split here, since `urlsplit` knows a single host and drops line breaks silently.
def _given(url: str, problems: list[str]) -> dict[str, str]:
    """Split a URL into decoded parameters, each given at most once."""
    scheme = _SCHEME.match(url)
    if scheme is None:
        raise InvalidDatabaseUrl("must begin with postgresql:// or postgres://")
    path, _, query = url[scheme.end() :].partition("?")
    authority, _, database = path.partition("/")
    userinfo, at, hosts = authority.rpartition("@")
    # A second "@" or a "#" means that a password was not percent-encoded.
    if "#" in url or url.count("@") > len(at):
        raise InvalidDatabaseUrl(_BAD_SHAPE)
    user, colon, password = userinfo.partition(":")
    named = [("password", password)] if colon else []
    named += [(name, text) for name, text in (("user", user), ("dbname", database)) if text]
    given: dict[str, str] = {}
    for name, text in (*named, *_host_and_port(hosts), *_query(query, problems)):
        if name in given:
            problems.append(f"{name} is given more than once")
        given[name] = _decoded(name, text, problems)
    return given


def _host_and_port(hosts: str) -> Iterator[tuple[str, str]]:
    """Split a list of hosts into the parameters `host` and `port`, which list as many."""
    matches = [_HOST.fullmatch(each) for each in hosts.split(",")]
    found = [match.groups() for match in matches if match is not None]
    if len(found) < len(matches):
        message = "the part after @ is not host:port; write an IPv6 address in [ ]"
        raise InvalidDatabaseUrl(message)
    names = ",".join(address or name or "" for address, name, _ in found)
    if names:
        yield "host", names
    if any(port is not None for _, _, port in found):
        yield "port", ",".join(port or "" for _, _, port in found)


def _query(query: str, problems: list[str]) -> Iterator[tuple[str, str]]:
    for position, parameter in enumerate(query.split("&") if query else (), start=1):
        name, equals, text = parameter.partition("=")
        if name in PARAMETERS and equals:
            yield name, text
        elif name in REFUSED:
            problems.append(f"{name} is not supported: {REFUSED[name]}")
        elif name in FIXED and equals:
            fixed = FIXED[name]
            if unquote(text).lower() not in fixed.values:
                problems.append(f"{name} can only be {' or '.join(fixed.values)}: {fixed.reason}")
        else:
            # Not quoted: it may follow an unencoded "&" in a password.
            problems.append(
                f"parameter {position} after the ? is unknown or has no =; "
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
        problems.append(f"{name} {_IS_UNUSABLE}")
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
    try:
        return [DEFAULT_PORT if not text and len(texts) > 1 else _read_port(text) for text in texts]
    except ValueError as error:
        # Not quoted: of `postgresql://user:password` it would be the password.
        problems.append(f"port{error}")
        return [DEFAULT_PORT] * len(texts)


def _values(given: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    """Convert the parameters that are fields of their own; the problematic ones are left out."""
    values: dict[str, Any] = {}
    texts = dict(given)
    if "fallback_application_name" in given:
        texts.setdefault("application_name", given["fallback_application_name"])
    for name, read in READERS.items():
        if name in texts:
            try:
                values[name] = read(texts[name])
            except ValueError as error:
                problems.append(f"{name}{error}")
    return values


def _default_sslmode(given: Mapping[str, str], hosts: tuple[Host, ...]) -> SslMode:
    is_local = "sslmode" not in given and all(host.is_local for host in hosts)
    return SslMode.DISABLE if is_local else SslMode.VERIFY_FULL


def _tls_problems(url: DatabaseUrl, given: Mapping[str, str]) -> Iterator[str]:
    if url.sslmode is SslMode.DISABLE:
        unused = [name for name in TLS_FILES_AND_VERSIONS if name in given]
        if url.channel_binding is ChannelBinding.REQUIRE:
            unused.append("channel_binding=require")
        if unused:
            yield f"{', '.join(unused)} would have no effect without TLS; add sslmode=verify-full"
        return
    if (url.ssl_max_protocol_version, url.ssl_min_protocol_version) == (
        TlsVersion.TLS_1_2,
        TlsVersion.TLS_1_3,
    ):
        yield "ssl_max_protocol_version is older than ssl_min_protocol_version"
    if all(host.socket_path is not None for host in url.hosts):
        yield "sslmode must be disable for a Unix socket, which has no TLS"
    if ("sslcert" in given) != ("sslkey" in given):
        yield "sslcert and sslkey must be given together"
    if url.sslmode is not SslMode.VERIFY_FULL and url.sslrootcert is None:
        if url.sslmode is SslMode.VERIFY_CA or "sslrootcert" in given:
            yield (
                "the system's authorities need sslmode=verify-full: "
                "anyone can get a certificate from them for a host name of their own"
            )
        if url.sslcrl is not None:
            yield "sslcrl needs sslrootcert or sslmode=verify-full, else nothing is verified"
