"""The PostgreSQL server that all servers share, and the orders in its tables."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from tests.postgres_server import (
    HOST,
    PASSWORD,
    SERVICE,
    SUPERUSER,
    OrdersDatabase,
    PostgresServer,
    open_server,
    postgres_programs,
)

_FIRST: Final = 100_000_001
# PostgreSQL's defaults, including fsync and synchronous_commit, because the tests change some of
# them. Only max_connections is higher: for 256 clients and the pools of the servers.
_SETTINGS: Final = {
    "autovacuum": "on",
    "fsync": "on",
    "full_page_writes": "on",
    "jit": "on",
    "log_min_messages": "warning",
    "max_connections": "400",
    "shared_buffers": "128MB",
    "synchronous_commit": "on",
}


@contextmanager
def open_postgres() -> Iterator[PostgresServer]:
    """Run PostgreSQL in a temporary folder on a free port, and remove it at the end."""
    with open_server() as server:
        server.configure(**_SETTINGS)
        server.restart()
        yield server


def server_pid(server: PostgresServer) -> int:
    """Return the process id of PostgreSQL's main process."""
    text = (server.folder / "data/postmaster.pid").read_text("utf-8")
    return int(text.partition("\n")[0])


def environment(database: OrdersDatabase) -> Mapping[str, str]:
    """Return the variables with which libpq, asyncpg and psycopg connect as the service."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("PG")},
        "PGHOST": HOST,
        "PGPORT": str(database.server.port),
        "PGUSER": SERVICE,
        "PGPASSWORD": PASSWORD,
        "PGDATABASE": database.name,
        "PGSSLMODE": "disable",
    }


def url(database: OrdersDatabase) -> str:
    """Return the URL with which the service connects to a database."""
    return database.server.url_text(database.name, sslmode="disable")


def stored_id(number: int) -> str:
    """Return the id of an order that `fill` stores, counted from 0.

    All ids have the same length, so they sort by number.
    """
    return f"S{_FIRST + number}"


def fill(database: OrdersDatabase, orders: int) -> None:
    """Store orders, and vacuum the table as autovacuum would eventually."""
    psql(
        database,
        "INSERT INTO orders (id, amount) SELECT 'S' || number, number % 1000000 / 100.0 "  # noqa: S608 - numbers
        f"FROM generate_series({_FIRST}, {_FIRST + orders - 1}) AS number",
        "VACUUM (ANALYZE) orders",
        "CHECKPOINT",
    )


def without_totals(database: OrdersDatabase) -> None:
    """Disable the triggers that maintain the totals, which only the page of Orders uses."""
    psql(database, "ALTER TABLE orders DISABLE TRIGGER USER")


def count(database: OrdersDatabase) -> int:
    """Count the stored orders."""
    ((number,),) = database.run("SELECT count(*) FROM orders")
    return int(number)


def psql(database: OrdersDatabase, *statements: str) -> None:
    """Run statements as the superuser, however long they take.

    Raises:
        subprocess.CalledProcessError: One of them failed.
    """
    server = database.server
    command = [
        *(str(postgres_programs() / "psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"),
        *("-h", str(server.folder), "-p", str(server.port), "-U", SUPERUSER, "-d", database.name),
    ]
    for statement in statements:
        subprocess.run([*command, "-c", statement], check=True)
