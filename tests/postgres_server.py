"""A real PostgreSQL server for the tests, in a temporary folder and on a free port.

Two roles as in production: `orders_owner` migrates, `ordersuser` is the service. Databases are
copied from a template that is migrated once.
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final
from urllib.parse import urlencode

import pg8000.native  # type: ignore[import-untyped]  # pg8000 ships no types
import pytest
from attrs import define, field, frozen

from orders_postgres import DatabaseUrl, PostgresStore, migrate
from tests.short_folders import short_folder

OWNER: Final = "orders_owner"
SERVICE: Final = "ordersuser"
SUPERUSER: Final = "postgres"
PASSWORD: Final = "p@ss/w?rd:1 & 100% ü"  # noqa: S105 - of servers that live as long as a test run
HOST: Final = "127.0.0.1"
TEMPLATE: Final = "orders_template"

_ROOT: Final = 0
_ORDERS: Final = "SELECT id, amount::text FROM orders"
_END_SECONDS: Final = 1.0
_START_SECONDS: Final = 30.0
_SETTINGS: Final = """
listen_addresses = '127.0.0.1'
unix_socket_directories = '{folder}'
max_connections = 60
shared_buffers = 32MB
autovacuum = off
jit = off
log_min_messages = log
fsync = on
"""
# The superuser connects through the socket without a password; TCP requires one.
_ACCESS: Final = """
local replication all trust
local all ordersuser scram-sha-256
local all all trust
host all all 127.0.0.1/32 scram-sha-256
"""
_ACCESS_TLS: Final = """
local all all trust
hostssl all orders_owner 127.0.0.1/32 scram-sha-256
hostssl all all 127.0.0.1/32 cert clientcert=verify-full
"""
_SETTINGS_TLS: Final = """
ssl = on
ssl_cert_file = '{folder}/server.crt'
ssl_key_file = '{folder}/server.key'
ssl_ca_file = '{folder}/ca.crt'
"""


def wait_until(ready: Callable[[], bool], seconds: float = _START_SECONDS) -> None:
    """Wait until a condition is true; fail when the time is up."""
    deadline = monotonic() + seconds
    while not ready():
        assert monotonic() < deadline, f"not true after {seconds} s: {ready}"
        sleep(0.01)


def postgres_programs() -> Path:
    """Find the folder of `initdb` and `postgres`; without it, skip the test, which fails in CI."""
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).resolve().parent
    installed = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"),
        key=lambda program: int(program.parent.parent.name),
    )
    if installed:
        return installed[-1].parent
    pytest.skip("PostgreSQL is not installed: apt-get install postgresql, or put initdb on PATH")


def unprivileged_user() -> str | None:
    """Return the user to run the server as: PostgreSQL refuses to run as root."""
    if os.getuid() != _ROOT:
        return None
    users = {user.pw_name for user in pwd.getpwall()}
    return "postgres" if "postgres" in users else "nobody"


@frozen
class ServerTls:
    """The certificate, key, authority and CRLs of a server that requires TLS, in PEM."""

    certificate: bytes
    key: bytes
    authority: bytes
    revoked: bytes = b""


@define
class PostgresServer:
    """A server for tests; `open_server` starts one."""

    folder: Path
    port: int
    _programs: Path
    _user: str | None
    _process: subprocess.Popen[bytes] | None = None
    _names: Iterator[int] = field(factory=lambda: count(1))

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def give(self, path: Path) -> None:
        """Make the server's user the owner of a file or folder."""
        if self._user is not None:
            shutil.chown(path, self._user)

    def initialise(self, tls: ServerTls | None) -> None:
        """Create the data folder."""
        self.give(self.folder)
        command: list[str | Path] = [
            *(self._programs / "initdb", "-D", self._data, "--username", SUPERUSER),
            *("--encoding", "UTF8", "--locale", "C", "--auth", "trust", "--no-sync"),
        ]
        self._spawn(command).communicate()
        access, settings = _ACCESS, _SETTINGS
        if tls is not None:
            access, settings = _ACCESS_TLS, settings + _SETTINGS_TLS
            self.secure(tls)
        (self._data / "pg_hba.conf").write_text(access, "utf-8")
        with (self._data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(settings.format(folder=self.folder))

    def _spawn(self, command: Sequence[str | Path]) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                user=self._user,
                group=None if self._user is None else pwd.getpwnam(self._user).pw_gid,
                extra_groups=None if self._user is None else [],
            )

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        program = self._programs / "postgres"
        self._process = self._spawn([program, "-D", self._data, "-p", str(self.port)])
        wait_until(self._answers)

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise ChildProcessError((self.folder / "log").read_text("utf-8", errors="replace"))
        try:
            self.run("SELECT 1")
        except (pg8000.native.Error, OSError):
            return False
        return True

    def copy_from(self, primary: "PostgresServer") -> None:
        """Create the data folder of a standby of a running server."""
        self.give(self.folder)
        command: list[str | Path] = [
            *(self._programs / "pg_basebackup", "-D", self._data, "--write-recovery-conf"),
            *("--checkpoint=fast", "--no-sync", "--username", SUPERUSER),
            *("--host", primary.folder, "--port", str(primary.port)),
        ]
        self._spawn(command).communicate()
        self.configure(unix_socket_directories=str(self.folder))

    def promote(self) -> None:
        """Promote a standby, and wait until it accepts writes."""
        self.run("SELECT pg_promote()")

    def recover(self) -> None:
        """Restart the server if it has ended or is ending; wait until it answers."""
        assert self._process is not None
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        with suppress(ChildProcessError):
            wait_until(self._answers)
            return
        self.start()

    def stop(self) -> None:
        """Stop the server, closing open connections."""
        self._end(signal.SIGINT)

    def stop_immediately(self) -> None:
        """Stop without a clean shutdown; the next start recovers from the write-ahead log."""
        self._end(signal.SIGQUIT)

    def kill(self) -> None:
        """Kill every process of the server at once, like a power cut."""
        assert self._process is not None
        # Stopped first, so that it starts no process while the others are listed.
        self._process.send_signal(signal.SIGSTOP)
        processes = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        children = [int(pid) for pid in processes.read_text("ascii").split()]
        self._process.kill()
        for child in children:
            # Some end by themselves when the first one is gone.
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self._end(signal.SIGKILL)
        wait_until(lambda: not any(map(_is_running, children)))

    def _end(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(_START_SECONDS)
        self._process = None

    def restart(self) -> None:
        """Stop and start again."""
        self.stop()
        self.start()

    def reload(self) -> None:
        """Reload the settings and TLS files, and wait until they apply."""
        ((before,),) = self.run("SELECT pg_conf_load_time()::text")
        self.run("SELECT pg_reload_conf()")
        wait_until(lambda: self.run("SELECT pg_conf_load_time()::text") != [[before]])

    def configure(self, **settings: str) -> None:
        """Write settings that apply from the next start or `reload`."""
        with (self._data / "postgresql.auto.conf").open("a", encoding="utf-8") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    def secure(self, tls: ServerTls) -> None:
        """Write the TLS files; they apply from the next start or `reload`."""
        files = {
            "server.crt": tls.certificate,
            "server.key": tls.key,
            "ca.crt": tls.authority,
            "ca.crl": tls.revoked,
        }
        for name, content in files.items():
            path = self.folder / name
            path.write_bytes(content)
            path.chmod(0o600)
            self.give(path)
        # OpenSSL rejects an empty CRL file.
        self.configure(ssl_crl_file=f"{self.folder}/ca.crl" if tls.revoked else "")

    def is_running(self) -> bool:
        """Return whether the server was started and not stopped."""
        return self._process is not None

    def run(
        self,
        sql: str,
        *,
        database: str = "postgres",
        **values: str,
    ) -> Sequence[Sequence[Any]]:
        """Run SQL as the superuser, on a new connection, with the values of `:name`."""
        with closing(self.connect(database)) as connection:
            rows: Sequence[Sequence[Any]] | None = connection.run(sql, **values)
            return rows or ()

    def connect(self, database: str = "postgres") -> Any:  # noqa: ANN401 - untyped pg8000
        """Open a connection as the superuser."""
        path = f"{self.folder}/.s.PGSQL.{self.port}"
        return pg8000.native.Connection(SUPERUSER, database=database, unix_sock=path, timeout=30)

    def url_text(self, database: str, user: str = SERVICE, **parameters: str) -> str:
        """Return the URL of a database for a role, as a person would configure it."""
        # The machine may be busy, so tests wait longer than a service.
        patience = {"connect_timeout": "30"}
        given = {"user": user, "password": PASSWORD, **patience, **parameters}
        query = urlencode(given, safe="/")
        return f"postgresql://{HOST}:{self.port}/{database}?{query.replace('+', '%20')}"

    def new_database(self) -> "OrdersDatabase":
        """Create a migrated, empty database."""
        name = f"orders_{next(self._names)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} OWNER {OWNER}")
        return OrdersDatabase(self, name)

    def create_database(self, name: str, options: str = "") -> "OrdersDatabase":
        """Create a database without tables."""
        self.run(f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE template0 {options}")
        return OrdersDatabase(self, name)


@frozen
class OrdersDatabase:
    """A database on a test server."""

    server: PostgresServer
    name: str

    def url(self, user: str = SERVICE, **parameters: str) -> DatabaseUrl:
        """Return its URL for a role, by default the service's."""
        return DatabaseUrl.parse(self.server.url_text(self.name, user, **parameters))

    def owner_url(self) -> DatabaseUrl:
        """Return its URL for the owner of the schema, through the socket."""
        parameters = urlencode(
            {"user": OWNER, "host": self.server.folder, "port": self.server.port},
            safe="/",
        )
        return DatabaseUrl.parse(f"postgresql:///{self.name}?{parameters}")

    def store(self, **options: Any) -> PostgresStore:  # noqa: ANN401 - as of PostgresStore
        """Open a store with the service's settings, changed by `options`; the caller closes it."""
        return PostgresStore(self.url(), **options)

    def run(self, sql: str, **values: str) -> Sequence[Sequence[Any]]:
        """Run SQL as the superuser, with the values of `:name`."""
        return self.server.run(sql, database=self.name, **values)

    def orders(self) -> Sequence[tuple[str, str]]:
        """Return the id and the amount of every order."""
        return [(order_id, amount) for order_id, amount in self.run(_ORDERS)]

    def sessions(self) -> list[int]:
        """List the server processes of the service's sessions in this database."""
        found = self.run(
            "SELECT pid FROM pg_stat_activity "
            "WHERE datname = current_database() AND usename = :service ORDER BY pid",
            service=SERVICE,
        )
        return [pid for (pid,) in found]

    def clear(self) -> None:
        """Delete every order, for the next example of a property."""
        self.run("TRUNCATE orders")

    def end_sessions(self) -> None:
        """End every session of the service, and wait until they are gone."""
        before = set(self.sessions())
        self.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND usename = :service",
            service=SERVICE,
        )
        wait_until(lambda: before.isdisjoint(self.sessions()))

    def drop(self) -> None:
        """Drop the database, even if someone is still connected."""
        self.server.run(f"DROP DATABASE {self.name} WITH (FORCE)")


def _is_running(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text("ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    # A zombie has ended.
    return status.rpartition(")")[2].split()[0] != "Z"


def free_port() -> int:
    """Choose a port that stays free while the server is stopped.

    Not an ephemeral port: a client that connects to a port without a listener may be given that
    very port, and then talks to itself.
    """
    clients = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()
    ports = range(10_000, int(clients[0]))
    while True:
        port = secrets.choice(ports)
        with suppress(OSError), socket.create_server((HOST, port)):
            return port


@contextmanager
def open_standby(primary: PostgresServer) -> Iterator[PostgresServer]:
    """Start a synchronous standby of the primary, and remove it at the end."""
    with _new_server() as standby:
        standby.copy_from(primary)
        standby.start()
        primary.run("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.reload()
        yield standby


@contextmanager
def open_server(tls: ServerTls | None = None) -> Iterator[PostgresServer]:
    """Start a server, and remove it at the end."""
    with _new_server() as server:
        server.initialise(tls)
        server.start()
        for role in (OWNER, SERVICE):
            server.run(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
        migrate(server.create_database(TEMPLATE).owner_url(), SERVICE)
        yield server


@contextmanager
def _new_server() -> Iterator[PostgresServer]:
    """Yield a server without data, and remove it at the end."""
    programs, user = postgres_programs(), unprivileged_user()
    with short_folder() as folder:
        server = PostgresServer(folder, free_port(), programs, user)
        try:
            yield server
        finally:
            if server.is_running():
                server.stop()
