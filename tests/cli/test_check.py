"""`orders check`: every setting, its source, and whether the database answers."""

import re
import sqlite3
import tomllib
from contextlib import closing
from pathlib import Path

import pytest

from orders_cli.exits import Exit
from orders_service import readiness
from orders_service.configuration.settings import SETTINGS
from tests.cli.command import Orders
from tests.postgres_server import PASSWORD, SERVICE, OrdersDatabase, free_port
from tests.service_process import running_service

DEFAULTS = """\
# database_url = "sqlite:///orders.db"  # default
# database_password = ""  # default
listen = "127.0.0.1:8000"  # default
ops_listen = "127.0.0.1:9000"  # default
workers = "auto"  # default
currency = "USD"  # default
allowed_hosts = ""  # default
root = "/"  # default
idle_seconds = "120"  # default
tokens_file = ""  # default
auth = ""  # default
log_requests = "20"  # default
"""
BY_DEFAULT = {
    line.removeprefix("# ").partition(" ")[0]: line for line in DEFAULTS.splitlines(keepends=True)
}

DEFAULT_REMARKS = """\
# clients need no token: only this machine can reach 127.0.0.1:8000
# sqlite:///orders.db does not exist yet; the first start creates it
"""

GIVEN = {
    "database_url": '# database_url = "sqlite:///data/caf%C3%A9.db"  # environment DATABASE_URL\n',
    "listen": 'listen = "[::1]:0"  # flag --listen\n',
    "ops_listen": 'ops_listen = "localhost:0"  # orders.toml\n',
    "currency": 'currency = "EUR"  # environment ORDERS_CURRENCY\n',
    "allowed_hosts": 'allowed_hosts = "a.example,b.example"  # orders.toml\n',
}

GIVEN_REMARKS = """\
# clients need no token: only this machine can reach [::1]:0
# the database answers, accepts orders, and has the schema that this release needs
"""

TOML = """\
listen = "192.0.2.1:1"
ops_listen = "localhost:0"
currency = "CHF"
allowed_hosts = ["B.example", "a.example"]
"""


def test_it_prints_the_defaults(orders: Orders) -> None:
    ended = orders("check")
    # Something may run there on the machine of the tests.
    out = re.sub(r"# 127\.0\.0\.1:[89]000 is in use, .*\n", "", ended.out)
    assert (ended.status, out, ended.err) == (Exit.DONE, DEFAULTS + DEFAULT_REMARKS, "")
    # It makes nothing.
    assert list(orders.folder.glob("*.db*")) == []


def test_it_prints_given_values_with_their_sources(orders: Orders) -> None:
    Path("orders.toml").write_text(TOML, encoding="utf-8")
    Path("data").mkdir()
    assert orders("migrate", DATABASE_URL="sqlite:///data/café.db").status == Exit.DONE
    ended = orders(
        *("check", "--config", "orders.toml", "--listen", "[::1]:0"),
        ORDERS_CURRENCY="EUR",
        ORDERS_LISTEN="192.0.2.2:2",
        DATABASE_URL="sqlite:///data/café.db",
    )
    given = "".join({**BY_DEFAULT, **GIVEN}.values())
    assert (ended.status, ended.out, ended.err) == (Exit.DONE, given + GIVEN_REMARKS, "")


def test_its_output_is_a_file_for_the_same_configuration(orders: Orders) -> None:
    printed = orders("check", ORDERS_LISTEN="[::1]:1", ORDERS_ALLOWED_HOSTS="x, *").out
    Path("printed.toml").write_text(printed, encoding="utf-8")
    again = orders("check", ORDERS_CONFIG="printed.toml").out
    assert tomllib.loads(again) == tomllib.loads(printed)
    assert tomllib.loads(again)["allowed_hosts"] == "*,x"


def test_it_reports_all_problems_at_once_and_exits_with_78(orders: Orders) -> None:
    Path("orders.toml").write_text('listen = 8000\ncolour = "red"\n', encoding="utf-8")
    ended = orders(
        *("check", "--config", "orders.toml", "--ops-listen", "nowhere"),
        DATABASE_URL="mysql://localhost",
        ORDERS_CURRENCY="JPY",
        ORDERS_ALLOWED_HOSTS="orders.example:80",
    )
    assert (ended.status, ended.out) == (Exit.CONFIGURATION, "")
    assert [line.partition(": ")[2].partition(":")[0] for line in ended.err.splitlines()] == [
        "orders.toml",
        "orders.toml",
        "database_url (environment DATABASE_URL)",
        "ops_listen (flag --ops-listen)",
        "currency (environment ORDERS_CURRENCY)",
        "allowed_hosts (environment ORDERS_ALLOWED_HOSTS)",
    ]


def test_an_unreachable_database_is_reported_after_the_configuration(orders: Orders) -> None:
    ended = orders("check", "--database-url", "sqlite:///missing/orders.db")
    assert ended.status == Exit.UNAVAILABLE
    assert ended.out.count("\n") == len(SETTINGS) + 1
    assert ended.err.startswith("orders: missing/orders.db: ")
    assert ended.err.count("\n") == 1


def test_a_file_of_another_program_is_reported_and_left_unchanged(orders: Orders) -> None:
    with closing(sqlite3.connect("orders.db")) as connection:
        connection.execute("CREATE TABLE theirs (id TEXT)")
    before = Path("orders.db").read_bytes()
    ended = orders("check")
    assert ended.status == Exit.UNAVAILABLE
    assert ended.err.startswith("orders: orders.db is a database of another program: ")
    assert Path("orders.db").read_bytes() == before


def test_a_read_only_file_is_reported(orders: Orders) -> None:
    assert orders("migrate").status == Exit.DONE
    header = bytearray(Path("orders.db").read_bytes())
    # SQLite's header, "File format version numbers": for reading only, to root as well.
    header[18] = 3
    Path("orders.db").write_bytes(header)
    ended = orders("check")
    assert ended.status == Exit.UNAVAILABLE
    assert ended.err == "orders: orders.db: attempt to write a readonly database\n"


def test_a_full_disk_is_reported_and_no_file_created(
    orders: Orders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orders_sqlite.disk.free_bytes", lambda _path: 0)
    ended = orders("check")
    assert ended.status == Exit.UNAVAILABLE
    assert ended.err.startswith("orders: orders.db: its disk has less than ")
    assert not Path("orders.db").exists()


def test_a_postgresql_database_answers(orders: Orders, orders_database: OrdersDatabase) -> None:
    url = orders_database.server.url_text(orders_database.name)
    ended = orders("check", DATABASE_URL=url)
    assert (ended.status, ended.err) == (Exit.DONE, "")
    assert f'# database_url = "postgresql://{SERVICE}:***@127.0.0.1:' in ended.out
    assert PASSWORD not in ended.out


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait longer for the answer than a person would: the machine may be busy."""
    monkeypatch.setattr(readiness, "_SECONDS", 30.0)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - where it is asked
def test_a_running_service_is_asked_whether_it_is_ready(orders: Orders, host: str) -> None:
    with running_service(f"sqlite:///{orders.folder}/orders.db") as service:
        ended = orders("check", "--running", ORDERS_OPS_LISTEN=f"{host}:{service.operations_port}")
    assert (ended.status, ended.out, ended.err) == (Exit.DONE, '{"status": "ready"}\n', "")


@pytest.mark.usefixtures("patient")
def test_a_running_service_that_is_not_ready_gives_the_reason(orders: Orders) -> None:
    with running_service(URL) as service:
        address = f"127.0.0.1:{service.operations_port}"
        ended = orders("check", "--running", ORDERS_OPS_LISTEN=address)
    assert (ended.status, ended.err) == (Exit.UNAVAILABLE, "")
    assert ended.out.startswith('{"status": "not ready", "reasons": ["store: unreachable: ')


def test_a_missing_service_is_reported_with_the_address(orders: Orders) -> None:
    address = f"127.0.0.1:{free_port()}"
    ended = orders("check", "--running", ORDERS_OPS_LISTEN=address)
    assert (ended.status, ended.out) == (Exit.UNAVAILABLE, "")
    assert ended.err.startswith(
        f"orders: http://{address}/readyz: no answer from a running service: "
    )
    assert ended.err.endswith("; ORDERS_OPS_LISTEN sets its address\n")


CANARY = "canary-7391"
URL = "postgresql://me@127.0.0.1:1/mine?sslmode=disable"
URL_WITH_CANARY = f"postgresql://me:{CANARY}@127.0.0.1:1/mine?sslmode=disable"


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        ([], {"DATABASE_URL": URL_WITH_CANARY}),
        ([], {"DATABASE_URL": f"postgresql://me@h:1/mine?password={CANARY}&sslmode=disable&x=1"}),
        ([], {"DATABASE_URL": f"postgresql://me:{CANARY}@"}),
        ([], {"DATABASE_URL": f"postgresql://me:{CANARY}"}),
        ([], {"DATABASE_URL": f"postgresql://me:p@{CANARY}@127.0.0.1/mine"}),
        ([], {"DATABASE_URL": f"mysql://me:{CANARY}@127.0.0.1/mine"}),
        ([], {"DATABASE_URL": URL_WITH_CANARY, "DATABASE_PASSWORD": CANARY}),
        ([], {"DATABASE_URL_FILE": "url"}),
        ([], {"DATABASE_URL": URL, "DATABASE_PASSWORD": CANARY}),
        ([], {"DATABASE_URL": URL, "DATABASE_PASSWORD_FILE": "password"}),
        ([], {"DATABASE_URL": URL, "DATABASE_PASSWORD": CANARY, "DATABASE_PASSWORD_FILE": "url"}),
        ([], {"DATABASE_PASSWORD": CANARY}),
        ([], {"ORDERS_CONFIG": "text.toml"}),
        ([], {"ORDERS_CONFIG": "file.toml"}),
        ([], {"ORDERS_CONFIG": "unquoted.toml"}),
        ([], {"ORDERS_CONFIG": "twice.toml"}),
        ([], {"ORDERS_CONFIG": "list.toml"}),
        (["--database-url", URL_WITH_CANARY], {}),
        (["--database-url", f"mysql://me:{CANARY}@127.0.0.1/mine"], {}),
        (["--database-url", f"sqlite:///me:{CANARY}@127.0.0.1/mine?x=1"], {}),
    ],
)
@pytest.mark.parametrize("command", ["check", "export", "migrate"])
def test_a_password_is_never_printed_whatever_its_source(
    orders: Orders,
    command: str,
    arguments: list[str],
    environ: dict[str, str],
) -> None:
    quoted = f'database_url = "{URL}"\ndatabase_password'
    for name, text in {
        "url": URL_WITH_CANARY,
        "password": CANARY,
        "text.toml": f'{quoted} = "{CANARY}"',
        "file.toml": f'{quoted}_file = "password"',
        "unquoted.toml": f"{quoted} = {CANARY}",
        "twice.toml": f'{quoted} = "{CANARY}"\ndatabase_password = "{CANARY}"',
        "list.toml": f'{quoted} = ["{CANARY}"]',
    }.items():
        Path(name).write_text(text, encoding="utf-8")
    ended = orders(command, *arguments, **environ)
    assert ended.status in {Exit.CONFIGURATION, Exit.UNAVAILABLE}
    assert CANARY not in ended.out + ended.err
