"""The backup and restore scripts for Kubernetes, against a real server: all or nothing."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from tests.debian_package import ROOT
from tests.postgres_server import OWNER, OrdersDatabase, PostgresServer, wait_until

SCRIPTS: Final = ROOT / "k8s/postgres/scripts"
INSERT_ORDERS: Final = "INSERT INTO orders SELECT 'A-' || n, n FROM generate_series(1, 10000) AS n"
# A program of the same name, first on the PATH: it runs the real one, then truncates the file.
TRUNCATING_DUMP: Final = """#!/bin/sh
PATH=${PATH#*:} pg_dump "$@" && truncate --size=-1000 "$FOLDER"/*.part
"""


@pytest.fixture
def empty_database(postgres_server: PostgresServer) -> Iterator[OrdersDatabase]:
    """Another database, as on a new server after the migration."""
    database = postgres_server.new_database()
    try:
        yield database
    finally:
        database.drop()


def script(
    name: str,
    folder: Path,
    database: OrdersDatabase,
    *arguments: str,
    settings: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run one of the scripts, as the owner of the database."""
    environment = {
        **os.environ,
        "PGHOST": str(database.server.folder),
        "PGPORT": str(database.server.port),
        "PGUSER": OWNER,
        "PGDATABASE": database.name,
        "LC_ALL": "C",  # The tests quote messages of the programs.
        **(settings or {}),
    }
    return subprocess.run(
        [SCRIPTS / name, folder, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def back_up(database: OrdersDatabase, folder: Path) -> Path:
    """Write a backup, and return its file."""
    ended = script("backup", folder, database, "14")
    assert ended.returncode == 0, ended.stderr
    (file,) = folder.glob("orders-*.dump")
    assert ended.stdout == f"backup: wrote {file}, {file.stat().st_size} bytes\n"
    return file


def test_a_restored_backup_has_every_order_and_their_totals(
    orders_database: OrdersDatabase, empty_database: OrdersDatabase, tmp_path: Path
) -> None:
    orders_database.run(INSERT_ORDERS)
    file = back_up(orders_database, tmp_path)
    ended = script("restore", tmp_path, empty_database)
    assert (ended.returncode, ended.stdout) == (0, f"restore: restored 10000 orders from {file}\n")
    assert sorted(empty_database.orders()) == sorted(orders_database.orders())
    ((count,),) = empty_database.run("SELECT sum(count)::bigint FROM orders_totals")
    assert count == 10_000


def test_a_truncated_dump_is_not_kept_as_a_backup(
    orders_database: OrdersDatabase, tmp_path: Path
) -> None:
    orders_database.run(INSERT_ORDERS)
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "pg_dump").write_text(TRUNCATING_DUMP)
    (programs / "pg_dump").chmod(0o755)
    backups = tmp_path / "backups"
    backups.mkdir()
    settings = {"PATH": f"{programs}:{os.environ['PATH']}", "FOLDER": str(backups)}
    ended = script("backup", backups, orders_database, "14", settings=settings)
    assert ended.returncode != 0
    assert "end of file" in ended.stderr
    assert list(backups.glob("*.dump")) == []


def test_a_dump_without_the_orders_table_is_not_kept_as_a_backup(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    database = postgres_server.create_database("without_orders")
    try:
        ended = script("backup", tmp_path, database, "14")
    finally:
        database.drop()
    assert ended.returncode == 1
    assert ".dump.part does not contain the table orders" in ended.stderr
    assert list(tmp_path.glob("*.dump")) == []


def test_a_truncated_backup_restores_nothing(
    orders_database: OrdersDatabase, empty_database: OrdersDatabase, tmp_path: Path
) -> None:
    orders_database.run(INSERT_ORDERS)
    file = back_up(orders_database, tmp_path)
    os.truncate(file, file.stat().st_size - 1_000)
    ended = script("restore", tmp_path, empty_database)
    assert ended.returncode != 0
    assert ended.stdout == ""
    assert "end of file" in ended.stderr
    assert empty_database.orders() == []
    empty_database.run("INSERT INTO orders VALUES ('B-1', 1)")


def test_an_order_that_is_being_placed_when_a_restore_begins_is_not_lost(
    orders_database: OrdersDatabase, tmp_path: Path
) -> None:
    back_up(orders_database, tmp_path)
    with closing(orders_database.server.connect(orders_database.name)) as client:
        client.run("BEGIN")
        client.run("INSERT INTO orders VALUES ('B-1', 1)")
        with ThreadPoolExecutor(1) as threads:
            restored = threads.submit(script, "restore", tmp_path, orders_database)
            waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'orders'::regclass"
            wait_until(lambda: bool(orders_database.run(waiting)))
            client.run("COMMIT")
            ended = restored.result()
    assert ended.returncode != 0
    assert "the database contains orders; a restore needs an empty one" in ended.stderr
    assert orders_database.orders() == [("B-1", "1.00")]
