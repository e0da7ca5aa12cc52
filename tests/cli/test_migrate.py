"""`orders migrate`: the schema that this release needs."""

import sqlite3
from contextlib import closing

from orders_cli.exits import Exit
from tests.cli.command import Orders
from tests.postgres_server import OWNER, PASSWORD, SERVICE, PostgresServer


def test_a_new_sqlite_file_gets_its_table(orders: Orders) -> None:
    first = orders("migrate")
    assert (first.status, first.err) == (Exit.DONE, "")
    assert first.out == (
        "applied orders\nsqlite:///orders.db has the schema that this release needs\n"
    )
    assert orders("check").status == Exit.DONE


def test_a_second_run_finds_nothing_to_do(orders: Orders) -> None:
    orders("migrate")
    assert orders("migrate").out == ("sqlite:///orders.db has the schema that this release needs\n")


def test_a_sqlite_file_has_no_role_to_grant_to(orders: Orders) -> None:
    ended = orders("migrate", "--grant-to", "somebody")
    assert (ended.status, ended.out) == (Exit.CONFIGURATION, "")
    assert ended.err == "orders: a SQLite file has no roles to grant to\n"


def test_a_file_of_another_release_is_left_alone_without_advice_to_migrate(orders: Orders) -> None:
    with closing(sqlite3.connect(orders.folder / "orders.db")) as connection:
        connection.execute("PRAGMA application_id = 0x4F524452")
        connection.execute("PRAGMA user_version = 7")
    ended = orders("migrate")
    assert (ended.status, ended.out) == (Exit.UNAVAILABLE, "")
    assert "schema version 7" in ended.err
    assert "run: orders migrate" not in ended.err


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
            "orders: for a database that is new or of an older release, run: orders migrate"
        )

        ended = orders("migrate", "--grant-to", SERVICE, DATABASE_URL=owner)
        assert (ended.status, ended.err) == (Exit.DONE, "")
        assert ended.out.splitlines()[0] == "applied 0001_orders.sql"
        assert PASSWORD not in ended.out

        assert orders("check", DATABASE_URL=service).status == Exit.DONE
    finally:
        database.drop()
