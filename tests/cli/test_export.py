"""`orders export`: every order, sorted by id; a file is complete or absent."""

import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders_cli.exits import Exit
from orders_cli.exporting import export_orders
from orders_cli.importing import import_orders
from orders_cli.main import main
from orders_core import Order, place_each
from orders_service.configuration.loading import load
from orders_sqlite import SqliteStore
from tests.cli.command import Orders
from tests.postgres_server import OrdersDatabase
from tests.strategies import orders as any_orders

ODD_IDS = (
    *(
        "A-1",
        "=1+1",
        'quo"te',
        "com,ma",
        "semi;colon",
        "back\\slash",
        "id",
        "null",
        "NULL",
        "{",
        "é",
    ),
    *("e\u0301", "日本", "\U0001f4e6", "x\ufeffy", "line\u2028separator", "in side", "%2F", "a/b"),
    *("'", "{}", "-", "0", "\ue000", "\U0010ffff", "x" * 128),
)
# More than the scan reads at once, so that something was written when it fails.
MANY = 12_000


def fill(path: Path, orders: list[Order]) -> None:
    """Store orders in a SQLite file."""
    with closing(SqliteStore(path)) as store:
        place_each(store, orders)


def fill_with_many(orders: Orders) -> None:
    """Store many orders in the default SQLite file."""
    fill(orders.folder / "orders.db", [Order(f"A-{each:06}", each) for each in range(MANY)])


def break_reading(orders: Orders) -> None:
    """Make the file unreadable after its first page."""
    with closing(sqlite3.connect(orders.folder / "orders.db")) as connection:
        connection.execute("ALTER TABLE orders RENAME TO kept")
        connection.execute(
            "CREATE VIEW orders AS SELECT id,"
            " CASE WHEN id > 'A-006000' THEN json('broken') ELSE amount END AS amount FROM kept",
        )


def test_it_writes_ndjson_by_id(orders: Orders) -> None:
    fill(Path("orders.db"), [Order("B", "2.5"), Order("é", 0), Order("A", "9999999999999.99")])
    ended = orders("export")
    assert (ended.status, ended.err) == (Exit.DONE, "orders: 3 orders written\n")
    assert ended.out == (
        '{"id":"A","amount":9999999999999.99}\n{"id":"B","amount":2.50}\n{"id":"é","amount":0.00}\n'
    )


def test_it_writes_csv_with_a_header_and_crlf(orders: Orders) -> None:
    fill(Path("orders.db"), [Order("B,2", "2.5"), Order("A", 1)])
    ended = orders("export", "--format", "csv", "--output", "-")
    assert (ended.status, ended.err) == (Exit.DONE, "orders: 2 orders written\n")
    assert ended.out == 'id,amount\r\nA,1.00\r\n"B,2",2.50\r\n'


@pytest.mark.parametrize(("form", "content"), [("csv", "id,amount\r\n"), ("ndjson", "")])
def test_an_empty_database_gives_an_empty_export(orders: Orders, form: str, content: str) -> None:
    orders("migrate")
    ended = orders("export", "--format", form)
    told = "orders: 0 orders written\n"
    assert (ended.status, ended.out, ended.err) == (Exit.DONE, content, told)


def test_a_missing_database_is_an_error_and_not_created(orders: Orders) -> None:
    ended = orders("export", "--format", "csv")
    assert (ended.status, ended.out) == (Exit.UNAVAILABLE, "")
    assert ended.err == (
        "orders: sqlite:///orders.db does not exist, so there is nothing to export\n"
    )
    assert not Path("orders.db").exists()


@pytest.mark.parametrize(
    ("name", "form", "content"),
    [
        ("out.csv", None, b"id,amount\r\nA-1,12.30\r\n"),
        ("out.CSV", None, b"id,amount\r\nA-1,12.30\r\n"),
        ("out.ndjson", None, b'{"id":"A-1","amount":12.30}\n'),
        ("out", None, b'{"id":"A-1","amount":12.30}\n'),
        ("out.csv", "ndjson", b'{"id":"A-1","amount":12.30}\n'),
    ],
)
def test_the_format_of_a_file_follows_its_name_unless_given(
    orders: Orders,
    name: str,
    form: str | None,
    content: bytes,
) -> None:
    fill(Path("orders.db"), [Order("A-1", "12.30")])
    ended = orders("export", "--output", name, *([] if form is None else ["--format", form]))
    told = "orders: 1 order written\n"
    assert (ended.status, ended.out, ended.err) == (Exit.DONE, "", told)
    assert Path(name).read_bytes() == content


def test_a_file_stays_unchanged_when_the_export_fails(orders: Orders) -> None:
    fill_with_many(orders)
    break_reading(orders)
    Path("out").write_text("the last export", encoding="utf-8")
    ended = orders("export", "--output", "out")
    assert (ended.status, ended.out) == (Exit.UNAVAILABLE, "")
    assert ended.err == "orders: orders.db: malformed JSON\n"
    assert Path("out").read_text(encoding="utf-8") == "the last export"
    assert not list(Path().glob(".orders-*"))


def test_interrupted_output_is_reported_as_incomplete(orders: Orders) -> None:
    fill_with_many(orders)
    break_reading(orders)
    ended = orders("export", "--format", "csv")
    assert ended.status == Exit.UNAVAILABLE
    assert ended.err == "orders: the output is incomplete\norders: orders.db: malformed JSON\n"
    assert ended.out.count("\r\n") == 1 + 5_000


def test_output_that_cannot_be_written_is_an_error(orders: Orders) -> None:
    fill_with_many(orders)
    with (
        open("/dev/full", "wb") as full,  # noqa: PTH123 - a device
        orders.start("export", stdout=full) as process,
    ):
        assert process.stderr is not None
        assert process.stderr.read() == (
            b"orders: the output is incomplete\norders: No space left on device\n"
        )
    assert process.returncode == Exit.UNAVAILABLE


def test_closed_standard_output_is_reported(orders: Orders) -> None:
    fill(Path("orders.db"), [Order("A-1", 1)])
    with orders.start("export", redirected=">&-") as process:
        _, err = process.communicate()
    assert process.returncode == Exit.UNAVAILABLE
    assert err == b"orders: standard output is closed, so there is nowhere to export to\n"


def test_a_file_is_written_even_if_standard_output_is_closed(orders: Orders) -> None:
    fill(Path("orders.db"), [Order("A-1", 1)])
    with orders.start("export", "--output", "out", redirected=">&-") as process:
        _, err = process.communicate()
    assert (process.returncode, err) == (Exit.DONE, b"orders: 1 order written\n")
    assert Path("out").read_bytes() == b'{"id":"A-1","amount":1.00}\n'


def test_it_ends_quietly_when_its_reader_closes_the_pipe(orders: Orders) -> None:
    fill_with_many(orders)
    with orders.start("export") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b'{"id":"A-000000","amount":0.00}\n'
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == Exit.OUTPUT_CLOSED


def test_ctrl_c_reports_incomplete_output(orders: Orders) -> None:
    fill_with_many(orders)
    with orders.start("export") as process:
        assert process.stdout is not None
        # It cannot end before its output is read.
        assert process.stdout.read(1) == b"{"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert (process.returncode, err) == (
        Exit.INTERRUPTED,
        b"orders: the output is incomplete\n",
    )


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_an_export_imported_elsewhere_exports_identically(orders: Orders, form: str) -> None:
    fill(Path("orders.db"), [Order(each, "12.30") for each in ODD_IDS])
    first = orders("export", "--format", form)
    ended = orders.read(first.out.encode(), "import", "-", DATABASE_URL="sqlite:///copy.db")
    assert (ended.status, ended.err.count("\n")) == (Exit.DONE, 1)
    again = orders("export", "--format", form, DATABASE_URL="sqlite:///copy.db")
    assert again.out == first.out
    assert first.out.count("\n") == len(ODD_IDS) + (form == "csv")


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_a_pipe_carries_every_order_into_postgresql_and_back(
    orders: Orders,
    orders_database: OrdersDatabase,
    form: str,
) -> None:
    fill_with_many(orders)
    fill(Path("orders.db"), [Order(each, "12.30") for each in ODD_IDS])
    environ = {"DATABASE_URL": orders_database.server.url_text(orders_database.name)}
    with (
        orders.start("export", "--format", form) as export,
        orders.start(
            "import", "-", stdin=export.stdout, stdout=subprocess.DEVNULL, environ=environ
        ) as load,
    ):
        assert export.stdout is not None
        export.stdout.close()
        _, err = load.communicate()
    assert (export.returncode, load.returncode) == (Exit.DONE, Exit.DONE), err
    here = orders("export", "--format", form)
    there = orders("export", "--format", form, **environ)
    assert there == here


@given(st.lists(any_orders(), unique_by=lambda order: order.id), st.sampled_from(["csv", "ndjson"]))
def test_every_storable_order_survives_export_and_import(
    tmp_path_factory: pytest.TempPathFactory,
    placed: list[Order],
    form: str,
) -> None:
    folder = tmp_path_factory.mktemp("round-trip")
    first, second = (
        load({"database_url": f"sqlite:///{folder}/{name}.db"}, {}, None) for name in ("a", "b")
    )
    assert main(["migrate", "--database-url", f"sqlite:///{folder}/a.db"]) == Exit.DONE
    fill(folder / "a.db", placed)
    file, copy = str(folder / "file"), str(folder / "copy")
    assert export_orders(first, file, form) == Exit.DONE
    assert import_orders(second, file, form) == Exit.DONE
    assert export_orders(second, copy, form) == Exit.DONE
    assert Path(copy).read_bytes() == Path(file).read_bytes()
    with closing(SqliteStore(folder / "b.db")) as store:
        assert store.get([order.id for order in placed]) == placed
