"""The settings, one row each, and the configuration that they make.

Flags, environment variables, TOML keys, `orders check`, `--help`, the documentation and the shell
completions all come from `SETTINGS`.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from attrs import field, fields, frozen

from orders_core.database import Database
from orders_service.configuration import parsers
from orders_service.configuration.parsers import Address, Auth
from orders_service.configuration.row import Setting, TomlType, secret, setting, settings_of
from orders_service.cores import usable_cores

DEFAULT_DATABASE: Final = "sqlite:///orders.db"
_DAY_SECONDS: Final = 86_400


class InvalidConfig(Exception):
    """The configuration cannot be used.

    Attributes:
        problems: Everything that is wrong, at least one, each with where it came from.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        """Take every problem found, so that one answer can list them all."""
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


@frozen
class Source:
    """Where the value of a setting came from.

    Attributes:
        description: As `orders check` shows it: `flag --listen`, `default`.
        set_by: What to change it with: `--listen`, `ORDERS_LISTEN`, `listen in orders.toml`.
    """

    description: str
    set_by: str


@frozen
class Listener:
    """An address that clients connect to.

    Attributes:
        address: The address.
        set_by: What to change it with, as in `Source`.
    """

    address: Address
    set_by: str


@frozen(kw_only=True)
class Config:
    """A checked configuration. To add a setting, add a row here, and use it.

    Attributes:
        database: The database that `database_url` and `database_password` make.
        sources: For each setting's name, where its value came from.
    """

    database_url: str | Path | None = secret(
        DEFAULT_DATABASE,
        "where the orders are: sqlite:///FILE or postgresql://USER@HOST/DATABASE?sslmode=...",
    )
    database_password: str | Path | None = secret(
        None,
        "the password, if the URL has none",
        has_flag=False,
    )
    listen: Address = setting(
        "127.0.0.1:8000",
        "HOST:PORT of the orders and the page",
        parse=Address.parse,
    )
    ops_listen: Address = setting(
        "127.0.0.1:9000",
        "HOST:PORT of /livez, /readyz and /metrics",
        parse=Address.parse,
    )
    workers: int | None = setting(
        "auto",
        "worker processes; auto is one per usable core, or a single one on SQLite",
        parse=parsers.workers,
        show=lambda count: str(count or "auto"),
        toml=TomlType.NUMBER,
    )
    currency: str = setting(
        "USD",
        "the ISO 4217 code of the amounts",
        parse=parsers.currency,
    )
    allowed_hosts: frozenset[str] = setting(
        "",
        "host names to answer for, separated by commas; localhost and IP addresses always work; "
        "* is every name",
        parse=parsers.host_names,
        show=lambda names: ",".join(sorted(names)),
        toml=TomlType.LIST,
        example="orders.example",
    )
    root: str = setting(
        "/",
        "the path under which a proxy serves the orders and the page, such as /shop",
        parse=parsers.root,
        show=lambda path: path or "/",
    )
    idle_seconds: int = setting(
        "120",
        "seconds before an idle connection is closed, as announced to clients",
        parse=parsers.number(1, _DAY_SECONDS),
        toml=TomlType.NUMBER,
    )
    tokens_file: Path | None = setting(
        "",
        "the file of the tokens that clients need; orders token makes them",
        parse=parsers.path,
        show=lambda path: str(path or ""),
        example="/etc/orders/tokens",
    )
    auth: Auth = setting(
        "",
        "tokens, or trusted-network: whoever can connect may use the service",
        parse=Auth.parse,
        show=lambda auth: auth.value,
        example="trusted-network",
    )
    log_requests: int = setting(
        "20",
        "requests that each process logs per second, and as many failed ones; 0 logs none",
        parse=parsers.number(0, 999_999),
        toml=TomlType.NUMBER,
    )
    database: Database = field()
    sources: Mapping[str, Source] = field(repr=False)

    @property
    def worker_count(self) -> int:
        """How many processes answer for the orders and the page."""
        return self.workers or self.database.useful_workers(usable_cores())

    @property
    def listener(self) -> Listener:
        """Where the orders and the page are served, unless the service manager decides."""
        return Listener(self.listen, self.set_by("listen"))

    @property
    def operations_listener(self) -> Listener:
        """Where probes and metrics are served, unless the service manager decides."""
        return Listener(self.ops_listen, self.set_by("ops_listen"))

    def set_by(self, name: str) -> str:
        """Name what to change a setting with, where its value came from."""
        return self.sources[name].set_by

    def refuse_unprotected(self, listeners: Iterable[Listener]) -> None:
        """Refuse addresses that other machines can reach while clients need no token.

        Raises:
            InvalidConfig: With every such address.
        """
        problems = self.unprotected(listeners)
        if problems:
            raise InvalidConfig(problems)

    def unprotected(self, listeners: Iterable[Listener]) -> Sequence[str]:
        """Write a problem for each address that `refuse_unprotected` refuses."""
        if self.auth is not Auth.LOOPBACK:
            return []
        return [
            f"other machines can reach {each.address} ({each.set_by}), and clients need no token; "
            f"name a token file with {self.set_by('tokens_file')} (orders token makes tokens), or "
            f"set {self.set_by('auth')} to trusted-network if everyone who can reach it may use "
            f"it, or listen on 127.0.0.1 with {each.set_by}"
            for each in listeners
            if not each.address.is_loopback
        ]

    def described(self) -> Iterable[tuple[Setting, str, str]]:
        """List each setting, its value without secrets, and where it came from."""
        for each in SETTINGS:
            value = each.show(getattr(self, each.name))
            shown = str(self.database) if each.name == "database_url" else value
            yield each, shown, self.sources[each.name].description


SETTINGS: Final = settings_of(fields(Config))
"""Every setting, in the order of the attributes of `Config`."""
