"""The configuration: flags, then environment, then a TOML file, then defaults; checked once.

Every setting stands in `SETTINGS`, which the command line, the documentation and the checks
share. A secret may also be given as the path of a file that holds it: `NAME_FILE` in the
environment, `name_file` in TOML.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any, Final, TypeVar

from attrs import evolve, field, frozen

from orders_core.plain_text import UnusableText, decoded
from orders_service.cores import usable_cores
from orders_service.databases import Database, InvalidDatabase, SqliteFile, parse_database


@frozen
class Setting:
    """One thing that can be configured.

    Attributes:
        name: Its key in the TOML file; with `-` for `_`, its flag.
        variable: Its name in the environment.
        default: What it is when nobody gives it; None when it then is not there.
        explanation: What it means, as the help text says it.
        secret: Whether its value must not be shown, and may come from a file.
    """

    name: str
    variable: str
    default: str | None
    explanation: str
    secret: bool = False

    @property
    def flag(self) -> str | None:
        """The command-line flag; a password has none, since everyone can read arguments."""
        return None if self.name == "database_password" else f"--{self.name.replace('_', '-')}"


SETTINGS: Final = (
    Setting(
        "database_url",
        "DATABASE_URL",
        "sqlite:///orders.db",
        "where the orders are: sqlite:///FILE or postgresql://USER@HOST/DATABASE?sslmode=...",
        secret=True,
    ),
    Setting(
        "database_password",
        "DATABASE_PASSWORD",
        None,
        "the password, when the URL has none",
        secret=True,
    ),
    Setting("listen", "ORDERS_LISTEN", "127.0.0.1:8000", "HOST:PORT of the orders and the page"),
    Setting(
        "ops_listen",
        "ORDERS_OPS_LISTEN",
        "127.0.0.1:9000",
        "HOST:PORT of /livez, /readyz and /metrics",
    ),
    Setting(
        "workers",
        "ORDERS_WORKERS",
        "auto",
        "processes that answer; auto is one for each core it may use, and one in all on SQLite",
    ),
    Setting("currency", "ORDERS_CURRENCY", "USD", "the ISO 4217 code of the amounts"),
    Setting(
        "allowed_hosts",
        "ORDERS_ALLOWED_HOSTS",
        "",
        "host names to answer for, by commas, besides localhost and addresses; * is every name",
    ),
    Setting(
        "root",
        "ORDERS_ROOT",
        "/",
        "the path below which a proxy serves the orders and the page, such as /shop",
    ),
    Setting(
        "idle_seconds",
        "ORDERS_IDLE_SECONDS",
        "120",
        "seconds that a connection on which nothing happens stays open; clients are told",
    ),
    Setting(
        "tokens_file",
        "ORDERS_TOKENS_FILE",
        "",
        "the file of the tokens that clients must have; orders token makes them",
    ),
    Setting(
        "auth",
        "ORDERS_AUTH",
        "",
        "tokens, or trusted-network: whoever reaches the service may use it",
    ),
    Setting(
        "log_requests",
        "ORDERS_LOG_REQUESTS",
        "20",
        "requests to log in a second and process, and as many failed ones; 0 is none",
    ),
)

_LISTS: Final = {"allowed_hosts"}
_NUMBERS: Final = {"workers", "idle_seconds", "log_requests"}
_NUMBER: Final = re.compile(r"[0-9]{1,6}")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
# ISO 4217's codes whose minor unit is not a hundredth.
_OTHER_MINOR_UNITS: Final = frozenset(
    {
        *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI"),
        *("VND", "VUV", "XAF", "XOF", "XPF"),
        *("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"),
        *("CLF", "UYW"),
    },
)
_HOST_NAME: Final = re.compile(r"\*|[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?")
_ADDRESS: Final = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:\[\]]+)):(?P<port>[0-9]{1,5})"
)
_MAX_PORT: Final = 65_535
_WORKERS: Final = re.compile(r"[0-9]{1,3}")
_MAX_WORKERS: Final = 256
# Characters that mean the same whether a proxy encodes them or not (RFC 3986, section 2.3).
_ROOT: Final = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)*/?")
_MAX_IDLE_SECONDS: Final = 86_400
_T = TypeVar("_T")


class InvalidConfig(Exception):
    """The configuration cannot be used.

    Attributes:
        problems: Everything that is wrong, at least one, each with where it came from.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        """Take every problem found, so that one answer can name them all."""
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


@frozen
class Address:
    """A place to listen on.

    Attributes:
        host: A name or an address.
        port: The port; 0 lets the system choose.
    """

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it, by its own words: names are not looked up."""
        try:
            address = ip_address(self.host)
        except ValueError:
            return self.host.lower() == "localhost"
        return address == IPv6Address(1) or (
            isinstance(address, IPv4Address) and address.is_loopback
        )

    def __str__(self) -> str:
        """Write as in a URL: `127.0.0.1:8000`, `[::1]:8000`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Auth(Enum):
    """What lets a client in."""

    TOKENS = "tokens"
    """A token."""
    TRUSTED_NETWORK = "trusted-network"
    """That the network lets it through; someone has said that this suffices."""
    LOOPBACK = ""
    """That it is on this machine, which alone reaches the service."""


@frozen
class Source:
    """Where the value of a setting came from.

    Attributes:
        description: As `orders check` shows it: `flag --listen`, `default`.
        knob: What changes the value: `--listen`, `ORDERS_LISTEN`, `listen in orders.toml`.
    """

    description: str
    knob: str


@frozen
class Listener:
    """An address that clients connect to.

    Attributes:
        address: Where.
        knob: What changes it, as of `Source`.
    """

    address: Address
    knob: str


@frozen
class Config:
    """A checked configuration.

    Attributes:
        database: Where the orders are.
        listen: Where the orders and the page are served.
        ops_listen: Where probes and metrics are served.
        workers: How many processes answer; None is as many as are of use.
        currency: The ISO 4217 code of the amounts.
        allowed_hosts: The host names to answer for, in small letters; `*` is every name.
        root: The path below which all is served; empty when there is none.
        idle_seconds: How long a connection on which nothing happens stays open.
        tokens_file: The file of the tokens; there is one exactly when `auth` is tokens.
        auth: What lets a client in.
        log_requests: Requests to log in a second and process, and as many failed ones.
        sources: For each setting's name, where its value came from.
    """

    database: Database
    listen: Address
    ops_listen: Address
    workers: int | None
    currency: str
    allowed_hosts: frozenset[str]
    root: str
    idle_seconds: int
    tokens_file: Path | None
    auth: Auth
    log_requests: int
    sources: Mapping[str, Source] = field(repr=False)

    @property
    def worker_count(self) -> int:
        """How many processes answer for the orders and the page."""
        return self.workers or self.database.useful_workers(usable_cores())

    @property
    def listener(self) -> Listener:
        """Where the orders and the page are served, unless a service manager says otherwise."""
        return Listener(self.listen, self.knob("listen"))

    def knob(self, name: str) -> str:
        """Name what changes a setting, where its value came from."""
        return self.sources[name].knob

    def refuse_unprotected(self, listeners: Iterable[Listener]) -> None:
        """Refuse addresses that others reach while nothing keeps them out.

        Raises:
            InvalidConfig: With every such address.
        """
        problems = self.unprotected(listeners)
        if problems:
            raise InvalidConfig(problems)

    def unprotected(self, listeners: Iterable[Listener]) -> Sequence[str]:
        """Say for each address that others reach that nothing keeps them out."""
        if self.auth is not Auth.LOOPBACK:
            return []
        return [
            f"other machines can reach {each.address} ({each.knob}), and clients need no token; "
            f"name a file of tokens with {self.knob('tokens_file')} (orders token makes them), or "
            f"set {self.knob('auth')} to trusted-network if everyone who can reach it may use it, "
            f"or listen on 127.0.0.1 with {each.knob}"
            for each in listeners
            if not each.address.is_loopback
        ]

    def described(self) -> Iterable[tuple[Setting, str, str]]:
        """Give each setting, its value without secrets, and where it came from."""
        values = {
            "database_url": str(self.database),
            "listen": str(self.listen),
            "ops_listen": str(self.ops_listen),
            "workers": "auto" if self.workers is None else str(self.workers),
            "currency": self.currency,
            "allowed_hosts": ",".join(sorted(self.allowed_hosts)),
            "root": self.root or "/",
            "idle_seconds": str(self.idle_seconds),
            "tokens_file": str(self.tokens_file or ""),
            "auth": self.auth.value,
            "log_requests": str(self.log_requests),
        }
        for setting in SETTINGS:
            source = self.sources[setting.name].description
            hidden = "" if source == "default" else "***"
            yield setting, values.get(setting.name, hidden), source


@frozen
class _Given:
    """A value as someone gave it; `path` instead of `text` when a file holds it."""

    source: Source
    text: str | None = None
    path: Path | None = None


def load(
    flags: Mapping[str, str | None],
    environ: Mapping[str, str],
    file: Path | None,
) -> Config:
    """Read and check the configuration.

    Args:
        flags: By the names of settings, what the command line gave.
        environ: The environment; variables that are no setting are passed over.
        file: The TOML file, when there is one.

    Raises:
        InvalidConfig: With every problem found.
    """
    problems: list[str] = []
    document = {} if file is None else _document(file, problems)
    givers = (
        _flags(flags),
        _environment(environ, problems),
        _settings_of(document, file, problems),
    )
    given = {
        setting.name: next(
            (giver[setting.name] for giver in givers if setting.name in giver),
            _Given(Source("default", _knob_of_default(setting, file)), setting.default),
        )
        for setting in SETTINGS
    }
    sources = {name: each.source for name, each in given.items()}
    tokens_file = _checked(given, "tokens_file", _path, problems)
    config = Config(
        database=_database(given["database_url"], given["database_password"], problems),
        listen=_checked(given, "listen", _address, problems),
        ops_listen=_checked(given, "ops_listen", _address, problems),
        workers=_checked(given, "workers", _workers, problems),
        currency=_checked(given, "currency", _currency, problems),
        allowed_hosts=_checked(given, "allowed_hosts", _host_names, problems),
        root=_checked(given, "root", _root, problems),
        idle_seconds=_checked(given, "idle_seconds", _idle_seconds, problems),
        tokens_file=tokens_file,
        auth=_auth(_checked(given, "auth", _auth_named, problems), sources, tokens_file, problems),
        log_requests=_checked(given, "log_requests", _number, problems),
        sources=sources,
    )
    if config.listen == config.ops_listen and config.listen.port != 0:
        problems.append(
            f"listen and ops_listen are both {config.listen}; change {config.knob('listen')} or "
            f"{config.knob('ops_listen')}"
        )
    problems.extend(config.unprotected([config.listener]))
    if problems:
        raise InvalidConfig(problems)
    return config


def _knob_of_default(setting: Setting, file: Path | None) -> str:
    """Name what gives a setting that nobody has given: the file when there is one."""
    if file is not None:
        return f"{setting.name} in {file}"
    return f"{setting.flag} or {setting.variable}" if setting.flag else setting.variable


def _flags(flags: Mapping[str, str | None]) -> dict[str, _Given]:
    return {
        setting.name: _Given(Source(f"flag {setting.flag}", f"{setting.flag}"), text)
        for setting in SETTINGS
        if (text := flags.get(setting.name)) is not None
    }


def _environment(environ: Mapping[str, str], problems: list[str]) -> dict[str, _Given]:
    """Take the settings' variables; an empty one counts as not given."""
    given = {}
    for setting in SETTINGS:
        variable, file_variable = setting.variable, f"{setting.variable}_FILE"
        text = environ.get(variable)
        path = environ.get(file_variable) if setting.secret else None
        if text and path:
            problems.append(f"{variable} and {file_variable} are both set; one must go")
        if text:
            given[setting.name] = _Given(Source(f"environment {variable}", variable), text)
        elif path:
            source = Source(f"environment {file_variable}", file_variable)
            given[setting.name] = _Given(source, path=Path(path))
    return given


def _document(file: Path, problems: list[str]) -> dict[str, Any]:
    try:
        return tomllib.loads(decoded(file.read_bytes()))
    except OSError as error:
        problems.append(f"{file}: cannot be read: {error.strerror}")
    except UnusableText as error:
        problems.append(f"{file}: {error}")
    except tomllib.TOMLDecodeError as error:
        problems.append(f"{file}: is not TOML: {error}")
    return {}


def _settings_of(
    document: Mapping[str, Any],
    file: Path | None,
    problems: list[str],
) -> dict[str, _Given]:
    given = {}
    settings = {setting.name: setting for setting in SETTINGS}
    for name, value in document.items():
        source = Source(f"{file}", f"{name} in {file}")
        plain = name.removesuffix("_file")
        from_file = name != plain and plain in settings and settings[plain].secret
        if not from_file and name not in settings:
            problems.append(f"{file}: {name} is no setting; there are {', '.join(settings)}")
        elif from_file and plain in document:
            problems.append(f"{file}: {plain} and {name} are both set; one must go")
        elif name in _LISTS and isinstance(value, list) and all(map(_is_text, value)):
            given[name] = _Given(source, ",".join(value))
        elif name in _NUMBERS and type(value) is int:
            given[name] = _Given(source, str(value))
        elif not _is_text(value):
            other = " or a list of strings" if name in _LISTS else ""
            other = " or a whole number" if name in _NUMBERS else other
            problems.append(f"{file}: {name} must be a string{other}")
        elif from_file:
            given[plain] = _Given(evolve(source, description=f"{file} ({name})"), path=Path(value))
        else:
            given[name] = _Given(source, value)
    return given


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _checked(
    given: Mapping[str, _Given],
    name: str,
    parse: Callable[[str], _T],
    problems: list[str],
) -> _T:
    """Parse a setting; when it is wrong, note the problem and go on with the default."""
    value = given[name]
    try:
        return parse(value.text or "")
    except ValueError as error:
        problems.append(f"{name} ({value.source.description}): {error}")
        return parse(next(each.default or "" for each in SETTINGS if each.name == name))


def _address(text: str) -> Address:
    parsed = _ADDRESS.fullmatch(text)
    if parsed is None or int(parsed["port"]) > _MAX_PORT:
        message = f"{text!r} is not HOST:PORT such as 127.0.0.1:8000 or [::1]:8000"
        raise ValueError(message)
    return Address(parsed["v6"] or parsed["host"], int(parsed["port"]))


def _workers(text: str) -> int | None:
    """Read how many workers there shall be; None for as many as are of use."""
    if text == "auto":
        return None
    if not _WORKERS.fullmatch(text) or not 1 <= int(text) <= _MAX_WORKERS:
        message = f"{text!r} is neither auto nor a number from 1 to {_MAX_WORKERS}"
        raise ValueError(message)
    return int(text)


def _currency(text: str) -> str:
    if not _CURRENCY.fullmatch(text):
        message = f"{text!r} is not an ISO 4217 code such as USD"
        raise ValueError(message)
    if text in _OTHER_MINOR_UNITS:
        message = f"{text} is not divided into hundredths; amounts have two decimals"
        raise ValueError(message)
    return text


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        message = f"{text!r} is no whole number from 0 to 999999"
        raise ValueError(message)
    return int(text)


def _host_names(text: str) -> frozenset[str]:
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    for name in names:
        if not _HOST_NAME.fullmatch(name.removesuffix(".")):
            message = f"{name!r} is no host name such as orders.example.org (without a port)"
            raise ValueError(message)
    # A final dot says that a name is whole; Host headers are compared without it too.
    return frozenset(name.removesuffix(".") for name in names)


def _root(text: str) -> str:
    """Read a path, and leave out the slash at its end."""
    if not _ROOT.fullmatch(text):
        message = (
            f"{text!r} is no path such as /shop: a slash, then letters, digits and - . _ ~, in "
            "each part"
        )
        raise ValueError(message)
    return text.removesuffix("/")


def _idle_seconds(text: str) -> int:
    if not _NUMBER.fullmatch(text) or not 1 <= int(text) <= _MAX_IDLE_SECONDS:
        message = f"{text!r} is no whole number from 1 to {_MAX_IDLE_SECONDS}"
        raise ValueError(message)
    return int(text)


def _path(text: str) -> Path | None:
    if "\0" in text:
        raise ValueError("the path holds a NUL character; no path can")
    return Path(text) if text else None


def _auth_named(text: str) -> Auth:
    try:
        return Auth(text)
    except ValueError:
        message = f"{text!r} is neither tokens nor trusted-network"
        raise ValueError(message) from None


def _auth(
    auth: Auth,
    sources: Mapping[str, Source],
    tokens_file: Path | None,
    problems: list[str],
) -> Auth:
    """Decide what lets a client in, and note what contradicts itself."""
    named, tokens_named = sources["auth"].knob, sources["tokens_file"].knob
    if auth is Auth.TRUSTED_NETWORK and tokens_file is not None:
        problems.append(
            f"auth is trusted-network, which asks for no token, and there is a tokens_file; "
            f"remove {named} or {tokens_named}",
        )
    elif auth is Auth.TOKENS and tokens_file is None:
        problems.append(
            f"auth is tokens ({named}), and there is no tokens_file; name it with {tokens_named}; "
            "orders token makes tokens",
        )
    elif tokens_file is not None:
        return Auth.TOKENS
    return auth


def _only_line_of(file: Path) -> str:
    """Read the file of one value.

    Raises:
        OSError: It cannot be read.
        UnusableText: It has not exactly one line, or is not UTF-8.
    """
    lines = decoded(file.read_bytes()).strip().splitlines()
    if len(lines) != 1:
        message = f"holds {len(lines)} lines; it must hold the URL alone" if lines else "is empty"
        raise UnusableText(message)
    return lines[0]


def _database(url: _Given, password: _Given, problems: list[str]) -> Database:
    unusable = [
        f"{name} ({given.source.description}): the path of the file holds a NUL character; no "
        "path can"
        for name, given in (("database_url", url), ("database_password", password))
        if given.path is not None and "\0" in str(given.path)
    ]
    if unusable:
        problems.extend(unusable)
        return SqliteFile(Path("orders.db"))
    where = f"database_url ({url.source.description})"
    try:
        text = url.text if url.path is None else _only_line_of(url.path)
        database = parse_database(text or "", password=password.text, password_file=password.path)
    except OSError as error:
        problems.append(f"{where}: {url.path}: {error.strerror}")
    except UnusableText as error:
        problems.append(f"{where}: {url.path}: {error}")
    except InvalidDatabase as error:
        problems.extend(f"{where}: {problem}" for problem in error.problems)
    else:
        if url.source.knob == "--database-url" and database.holds_password:
            problems.append(
                "--database-url holds a password, which everyone on the machine can read there; "
                "use DATABASE_PASSWORD_FILE, DATABASE_PASSWORD or DATABASE_URL",
            )
        if password.source.description != "default" and isinstance(database, SqliteFile):
            problems.append(f"a SQLite file has no password; remove {password.source.knob}")
        return database
    return SqliteFile(Path("orders.db"))
