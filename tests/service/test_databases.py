"""Which adapter a database URL selects, and which URLs are refused."""

from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders_core.database import InvalidDatabase
from orders_postgres import PostgresDatabase, PostgresStore
from orders_service.databases import parse_database
from orders_sqlite import SqliteDatabase, SqliteStore


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///orders.db", "orders.db"),
        ("sqlite:////var/lib/orders/orders.db", "/var/lib/orders/orders.db"),
        ("sqlite:///caf%C3%A9.db", "café.db"),
        ("sqlite:///café.db", "café.db"),
        ("sqlite:///a%3Fb%23c%25d", "a?b#c%d"),
        ("sqlite:///with space", "with space"),
    ],
)
def test_a_sqlite_url_names_a_file(url: str, path: str) -> None:
    database = parse_database(url)
    assert database == SqliteDatabase(Path(path))
    assert not database.holds_password


@given(
    st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1).filter(
        lambda text: not text.startswith(":"),
    ),
)
def test_a_file_written_as_a_url_reads_back_as_the_same_file(text: str) -> None:
    database = SqliteDatabase(Path(text))
    assert parse_database(str(database)) == database


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "it must begin with sqlite:///, postgresql:// or postgres://"),
        ("orders.db", "it must begin with sqlite:///, postgresql:// or postgres://"),
        ("sqlite://orders.db", "it must begin with sqlite:///, postgresql:// or postgres://"),
        ("SQLITE:///a", "it must begin with sqlite:///, postgresql:// or postgres://"),
        ("sqlite:///", "it must name a file: sqlite:///FILE"),
        ("sqlite:///a?mode=ro", "a SQLite file has no parameters; write ? as %3F and # as %23"),
        ("sqlite:///a#b", "a SQLite file has no parameters; write ? as %3F and # as %23"),
        ("sqlite:///a%00", "the path is not UTF-8 or holds a control character"),
        ("sqlite:///a%FF", "the path is not UTF-8 or holds a control character"),
        ("sqlite:///a\udce9", "the path is not UTF-8 or holds a control character"),
        (
            "sqlite:///:memory:",
            "the path must not begin with : such as :memory:, which keeps nothing",
        ),
    ],
)
def test_a_url_without_a_usable_file_is_refused(url: str, problem: str) -> None:
    with pytest.raises(InvalidDatabase) as raised:
        parse_database(url)
    assert raised.value.problems == (problem,)


def test_all_problems_of_a_sqlite_url_are_reported() -> None:
    with pytest.raises(InvalidDatabase) as raised:
        parse_database("sqlite:///:a?")
    assert len(raised.value.problems) == 2


def test_a_sqlite_file_exists_once_it_is_migrated(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "orders.db")
    before = (database.exists, database.can_be_created)
    assert database.migrate(None) == ("0001_orders.sql",)
    assert (before, database.exists, database.can_be_created) == ((False, True), True, False)
    assert database.migrate(None) == ()
    with closing(database.open()) as store:
        assert isinstance(store, SqliteStore)
        store.check()


def test_a_file_in_a_missing_folder_cannot_be_created(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "missing" / "orders.db")
    assert (database.exists, database.can_be_created) == (False, False)


def test_opening_creates_no_file(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "orders.db")
    database.open().close()
    assert not database.exists


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_a_postgresql_url_names_a_database(scheme: str) -> None:
    database = parse_database(f"{scheme}://me@localhost/mine")
    assert isinstance(database, PostgresDatabase)
    assert not database.holds_password
    assert database.exists
    assert not database.can_be_created
    assert str(database).startswith("postgresql://me@localhost:5432/mine?")
    with closing(database.open()) as store:
        assert isinstance(store, PostgresStore)


def test_a_postgresql_database_knows_whether_its_url_holds_the_password() -> None:
    within = parse_database("postgresql://me:secret@localhost/mine")
    beside = parse_database("postgresql://me@localhost/mine", password="secret")  # noqa: S106 - an example
    assert (within.holds_password, beside.holds_password) == (True, False)


def test_every_problem_of_a_postgresql_url_is_reported() -> None:
    with pytest.raises(InvalidDatabase) as raised:
        parse_database("postgresql://:canary@/?sslmode=prefer")
    assert len(raised.value.problems) >= 3
    assert str(raised.value) == "; ".join(raised.value.problems)
    assert "canary" not in str(raised.value)
