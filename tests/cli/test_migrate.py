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
