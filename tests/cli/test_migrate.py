"""`orders migrate`: the schema that this release needs."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing

import pytest

from orders_cli.exits import Exit
from tests.cli.command import Orders
from tests.postgres_server import OWNER, PASSWORD, SERVICE, PostgresServer
from tests.sqlite.first_file import make_first_file


def test_a_new_sqlite_file_gets_its_table(orders: Orders) -> None:
    first = orders("migrate")
    assert (first.status, first.err) == (Exit.DONE, "")
    assert first.out == (
        "applied 0001_orders.sql\nsqlite:///orders.db has the schema that this release needs\n"
    )
    assert orders("check").status == Exit.DONE


def test_a_second_run_finds_nothing_to_do(orders: Orders) -> None:
    orders("migrate")
    assert orders("migrate").out == ("sqlite:///orders.db has the schema that this release needs\n")


def test_a_sqlite_file_has_no_role_to_grant_to(orders: Orders) -> None:
    ended = orders("migrate", "--grant-to", "somebody")
    assert (ended.status, ended.out) == (Exit.CONFIGURATION, "")
    assert ended.err == "orders: a SQLite file has no roles to grant to\n"


@pytest.mark.parametrize("command", [["serve"], ["check"], ["import", "more.csv"], ["migrate"]])
def test_a_file_of_a_newer_release_is_refused_and_left_unchanged(
    orders: Orders, command: Sequence[str]
) -> None:
    path = make_first_file(orders.folder / "orders.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 7")
    (orders.folder / "more.csv").write_text("id,amount\nc,1\n", "utf-8")
    before = path.read_bytes()
    ended = orders(*command)
    assert ended.status == Exit.UNAVAILABLE
    assert ended.out == "" or command == ["check"]  # It shows the configuration.
    assert ended.err.startswith(
        "orders: orders.db has schema version 7, of a newer release; "
        "this release knows versions up to 1\n"
    )
    assert ("run: orders migrate" in ended.err) == (command != ["migrate"])
    assert path.read_bytes() == before


# A later release: one that has another migration.
LATER_RELEASE = """\
from orders_core.migrations import Migration
from orders_sqlite import SqliteStore
later = Migration(2, "0002_notes.sql", "ALTER TABLE orders ADD COLUMN note TEXT;")
defaults = SqliteStore.__init__.__kwdefaults__
defaults["migrations"] = (*defaults["migrations"], later)
"""


def run_later_release(orders: Orders, *command: str) -> tuple[int | None, str]:
    with orders.start(*command, before=LATER_RELEASE) as process:
        _, err = process.communicate()
        return process.returncode, err.decode()


@pytest.mark.parametrize("command", [["check"], ["export"], ["import", "more.csv"]])
def test_a_file_of_an_older_release_is_migrated_only_by_migrate_and_the_start(
    orders: Orders, command: Sequence[str]
) -> None:
    path = make_first_file(orders.folder / "orders.db")
    (orders.folder / "more.csv").write_text("id,amount\nc,1\n", "utf-8")
    before = path.read_bytes()
    status, err = run_later_release(orders, *command)
    assert status == Exit.UNAVAILABLE
    assert "orders.db has schema version 1; this release needs 2\n" in err
    assert err.endswith("run: orders migrate\n")
    assert path.read_bytes() == before
    assert run_later_release(orders, "migrate") == (Exit.DONE, "")
    assert run_later_release(orders, *command)[0] == Exit.DONE


def test_a_service_migrates_a_file_of_an_older_release_when_it_starts(orders: Orders) -> None:
    path = make_first_file(orders.folder / "orders.db")
    free = ("--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0")
    with orders.start("serve", *free, before=LATER_RELEASE) as process:
        assert process.stderr is not None
        assert b'"serving"' in process.stderr.readline()
        process.terminate()
        process.communicate()
    assert process.returncode == Exit.DONE
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchall() == [(2,)]
        assert connection.execute("SELECT id, note FROM orders").fetchall() == [
            ("a", None),
            ("b", None),
        ]


def test_postgresql_is_migrated_for_a_service_role_that_then_works(
    orders: Orders,
    postgres_server: PostgresServer,
) -> None:
    database = postgres_server.create_database("orders_of_the_command")
    try:
        owner = postgres_server.url_text(database.name, OWNER)
        service = postgres_server.url_text(database.name, SERVICE)

        before = orders("check", DATABASE_URL=service)
        assert before.status == Exit.UNAVAILABLE
        assert before.err.splitlines()[1] == (
            "orders: if the database is new or from an older release, run: orders migrate"
        )

        ended = orders("migrate", "--grant-to", SERVICE, DATABASE_URL=owner)
        assert (ended.status, ended.err) == (Exit.DONE, "")
        assert ended.out.splitlines()[0] == "applied 0001_orders.sql"
        assert PASSWORD not in ended.out

        assert orders("check", DATABASE_URL=service).status == Exit.DONE
    finally:
        database.drop()
