"""`orders import`: any number of rows, each stored once, each refusal reported by line."""

import errno
import fcntl
import gzip
import io
import os
import signal
import sqlite3
import subprocess
import termios
import threading
from array import array
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import IO, Self

import pytest

from orders_cli.exits import Exit
from orders_cli.importing import REPORTED, import_orders
from orders_core import OrderRow, scan
from orders_memory import MemoryStore
from orders_records import BATCH_BYTES
from orders_service.configuration.loading import load
from orders_sqlite import SqliteStore
from tests.cli.command import Orders
from tests.postgres_server import OrdersDatabase, open_server, wait_until

SAFE = "orders: what is counted is stored; importing the whole file again is safe\n"


def stored(orders: Orders) -> dict[str, str]:
    """Read the orders of the default SQLite file."""
    with closing(SqliteStore(orders.folder / "orders.db")) as store:
        return {each.id.value: str(each.amount) for batch in scan(store) for each in batch}


def pending(pipe: IO[bytes] | None) -> int:
    """Count the unread bytes in a pipe."""
    assert pipe is not None
    count = array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return count[0]


def counts(created: int = 0, there: int = 0, conflicts: int = 0, malformed: int = 0) -> str:
    """Write what an import counts."""
    total = created + there + conflicts + malformed
    return (
        f"{total:,} {'order' if total == 1 else 'orders'} read: {created:,} created, "
        f"{there:,} already there, {conflicts:,} in conflict, {malformed:,} malformed\n"
    )


# What an import reads and stores at a time, in rows of `csv_of`.
BATCH = -(-BATCH_BYTES // len(b"A-000000,1.00\r\n"))


def count(orders: Orders) -> int:
    """Count the orders of the default SQLite file."""
    with closing(SqliteStore(orders.folder / "orders.db")) as store:
        return store.totals().count


def csv_of(first: int, last: int) -> bytes:
    """Write many rows of CSV, without the header."""
    return b"".join(b"A-%06d,1.00\r\n" % number for number in range(first, last))


@pytest.mark.parametrize(
    "content",
    [
        b"id,amount\r\nA-1,12.30\r\nB-2,0\r\n",
        b"id,amount\nA-1,12.3\nB-2,0.00\n",
        b"\xef\xbb\xbfid,amount\n\nA-1,1230e-2\n\nB-2,0\n",
        b'{"id":"A-1","amount":12.30}\n{"amount":"0","id":"B-2"}\n',
        b'\n {"id":"A-1","amount":12.30}\r\n\r\n{"id":"B-2","amount":0}',
        b' \n\t\r\n{"id":"A-1","amount":12.30}\n \n{"id":"B-2","amount":0}\n',
        b'\xef\xbb\xbf{"id":"A-1","amount":12.30}\r\n{"id":"B-2","amount":0}\r\n',
        b'[{"id":"A-1","amount":12.30},{"id":"B-2","amount":0.00}]',
        b'\xef\xbb\xbf\n [\n{\n"id": "A-1",\n"amount": 12.30\n},\n{"amount":"0","id":"B-2"}\n]\n',
    ],
)
def test_the_format_is_detected_from_the_content(orders: Orders, content: bytes) -> None:
    Path("file").write_bytes(content)
    ended = orders("import", "file")
    assert (ended.status, ended.out) == (Exit.DONE, "")
    assert ended.err == f"orders: {counts(created=2)}"
    assert stored(orders) == {"A-1": "12.30", "B-2": "0.00"}


@pytest.mark.parametrize("line", [b'{"id":"A-1","amount":1}\n', b"id,amount\nA-1,1\n"])
def test_the_format_is_detected_in_a_pipe_that_delivers_parts(
    orders: Orders,
    line: bytes,
) -> None:
    is_csv = line.startswith(b"id")
    with orders.start("import", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        beginning = line[:1] if is_csv else b"\n\n "
        process.stdin.write(beginning)
        process.stdin.flush()
        # It has asked its store, which comes before its input, and reads what there is.
        wait_until((orders.folder / "orders.db-shm").exists)
        wait_until(lambda: pending(process.stdin) == 0)
        _, err = process.communicate(line[1:] if is_csv else line)
    assert (process.returncode, err.decode()) == (Exit.DONE, f"orders: {counts(created=1)}")


def test_blank_lines_at_the_beginning_count(orders: Orders) -> None:
    ended = orders.read(b'\n\n{"id":"A-1"}\n', "import", "-")
    assert ended.err.startswith("orders: line 3: ")


@pytest.mark.parametrize("blank", [b"\n", b" "])
def test_a_file_that_begins_with_endless_blanks_is_read_as_csv(
    orders: Orders,
    blank: bytes,
) -> None:
    ended = orders.read(blank * 100_000 + b'\n{"id":"A-1","amount":1}\n', "import", "-")
    assert ended.status == Exit.REFUSED
    assert "it was read as CSV" in ended.err
    assert stored(orders) == {}


def test_closed_standard_input_is_reported(orders: Orders) -> None:
    with orders.start("import", "-", redirected="<&-") as process:
        out, err = process.communicate()
    assert (process.returncode, out) == (Exit.UNAVAILABLE, b"")
    assert err == b"orders: standard input is closed, so there is nothing to import\n"


def test_it_works_without_standard_error_and_writes_nowhere_else(orders: Orders) -> None:
    Path("file").write_bytes(b"id,amount\nA-1,1\nB-2,x\n")
    with orders.start("import", "file", redirected="2>&-") as process:
        out, err = process.communicate()
    assert (process.returncode, out, err) == (Exit.REFUSED, b"", b"")
    assert stored(orders) == {"A-1": "1.00"}


@pytest.mark.parametrize(
    ("form", "content"),
    [
        ("csv", b"id,amount\nA-1,1\n"),
        ("ndjson", b'{"id":"A-1","amount":1}'),
        ("json", b'[{"id":"A-1","amount":1}]'),
    ],
)
def test_the_format_may_be_given(orders: Orders, form: str, content: bytes) -> None:
    assert orders.read(content, "import", "-", "--format", form).status == Exit.DONE
    assert stored(orders) == {"A-1": "1.00"}


def test_a_given_format_overrides_detection(orders: Orders) -> None:
    ended = orders.read(b"id,amount\nA-1,1\n", "import", "-", "--format", "ndjson")
    assert ended.status == Exit.REFUSED
    assert f"orders: {counts(malformed=2)}" in ended.err


def test_an_unavailable_database_is_reported_before_any_row(orders: Orders) -> None:
    environ = {"DATABASE_URL": "sqlite:///missing/orders.db"}
    ended = orders.read(b"id,amount\nA-1,x\n", "import", "-", **environ)
    assert (ended.status, ended.out) == (Exit.UNAVAILABLE, "")
    assert ended.err.startswith("orders: missing/orders.db: ")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    "content", [b"", b"\xef\xbb\xbf", b"id,amount\r\n", b"\xef\xbb\xbfid,amount\n", b"[]"]
)
def test_a_file_without_orders_is_reported_as_such(orders: Orders, content: bytes) -> None:
    ended = orders.read(content, "import", "-")
    assert (ended.status, ended.err) == (Exit.DONE, f"orders: {counts()}")


def test_repeating_an_import_finds_every_order_already_stored(orders: Orders) -> None:
    orders.read(b"id,amount\nA-1,1\nB-2,2\n", "import", "-")
    ended = orders.read(b"id,amount\nA-1,1.00\nB-2,2\nC-3,3\n", "import", "-")
    assert (ended.status, ended.err) == (Exit.DONE, f"orders: {counts(created=1, there=2)}")


def test_refused_rows_are_reported_by_line_and_stop_no_others(orders: Orders) -> None:
    orders.read(b"id,amount\nA-1,1\n", "import", "-")
    rows = [
        b"id,amount",
        b"A-1,2",
        b"B-2,1.005",
        b"",
        b"C-3,3",
        b"C-3,4",
        b"C-3,3.00",
        b"D-4",
        b"\xff,1",
        b"E-5,5",
        b"",
    ]
    ended = orders.read(b"\n".join(rows), "import", "-")
    assert (ended.status, ended.out) == (Exit.REFUSED, "")
    assert ended.err == (
        "orders: line 2: order 'A-1' is already stored with another amount\n"
        "orders: line 3: amount has more than two decimal places; it is never rounded\n"
        "orders: line 6: order 'C-3' is already stored with another amount\n"
        "orders: line 8: not the 2 comma-separated fields id and amount\n"
        "orders: line 9: not UTF-8: byte 0 of the row is 0xff; convert the content to UTF-8 first\n"
        f"orders: {counts(created=2, there=1, conflicts=2, malformed=3)}"
    )
    assert stored(orders) == {"A-1": "1.00", "C-3": "3.00", "E-5": "5.00"}


@pytest.mark.parametrize("quote", ["", '"'])
def test_ids_that_look_like_another_one_are_refused_by_the_character_that_does_not_show(
    orders: Orders, quote: str
) -> None:
    ids = ("A-1", "A-1\u200b", "\u202aA-1\u202c", "\ufeffA-1")
    rows = "".join(f"{quote}{each}{quote},5\r\n" for each in ids)
    ended = orders.read(f"id,amount\r\n{rows}".encode(), "import", "-")
    assert ended.status == Exit.REFUSED
    assert stored(orders) == {"A-1": "5.00"}
    assert "line 3: id ends with U+200B ZERO WIDTH SPACE" in ended.err
    assert "line 4: id begins with U+202A LEFT-TO-RIGHT EMBEDDING" in ended.err
    assert "line 5: id begins with U+FEFF ZERO WIDTH NO-BREAK SPACE" in ended.err


def test_refused_rows_of_ndjson_are_reported_by_line(orders: Orders) -> None:
    ended = orders.read(b'{"id":"A-1","amount":1}\n[]\n{"id":"A-1"}\n', "import", "-")
    assert ended.status == Exit.REFUSED
    assert [line.partition(": line ")[2][:2] for line in ended.err.splitlines()] == ["2:", "3:", ""]


def test_the_first_hundred_refusals_are_reported_and_the_others_counted(orders: Orders) -> None:
    rows = b"".join(b"A-%d,x\n" % number for number in range(REPORTED + 23))
    ended = orders.read(b"id,amount\n" + rows, "import", "-")
    *told, more, total = ended.err.splitlines(keepends=True)
    assert [line.split(":")[1] for line in told] == [
        f" line {2 + each}" for each in range(REPORTED)
    ]
    assert more == "orders: 23 more rows were refused\n"
    assert total == f"orders: {counts(malformed=REPORTED + 23)}"


def test_exactly_a_hundred_refusals_are_all_reported(orders: Orders) -> None:
    ended = orders.read(b"id,amount\n" + b"A-1,x\n" * REPORTED, "import", "-")
    assert ended.err.count("\n") == REPORTED + 1
    assert "more rows" not in ended.err


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"amount,id\n1,2\n", '"amount,id": the columns are in another order'),
        (b"1,2\n3,4\n", '"1,2": that looks like an order'),
        (b"\nid,amount\n1,2\n", '"": the line is empty'),
        (b"id;amount\r\nA-1;12,30\r\n", '"id;amount": the fields are separated by semicolons'),
        (b"id,amount\rA-1,12.30\r", '"id,amount\\rA-1,12.30": the lines end with CR alone'),
        (b"Id,Amount\r\nA-1,12.30\r\n", '"Id,Amount": write the names in lower case'),
    ],
)
def test_csv_without_its_header_is_refused_as_a_whole_with_the_reason(
    orders: Orders,
    content: bytes,
    found: str,
) -> None:
    ended = orders.read(content, "import", "-")
    assert (ended.status, ended.out) == (Exit.REFUSED, "")
    assert ended.err.startswith(
        f"orders: line 1: the first line of CSV must be id,amount; found {found}"
    )
    assert ended.err.endswith(
        "(it was read as CSV, because NDJSON begins with { and a JSON array with [); "
        "nothing was stored\n"
    )
    assert ended.err.count("\n") == 1
    assert stored(orders) == {}


def test_csv_without_its_header_is_no_guess_when_the_format_was_given(orders: Orders) -> None:
    ended = orders.read(b"ID,amount\n", "import", "-", "--format", "csv")
    assert ended.err == (
        'orders: line 1: the first line of CSV must be id,amount; found "ID,amount": '
        "write the names in lower case; nothing was stored\n"
    )


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf"])
def test_csv_that_is_empty_is_refused_when_the_format_was_given(
    orders: Orders, content: bytes
) -> None:
    ended = orders.read(content, "import", "-", "--format", "csv")
    assert ended.status == Exit.REFUSED
    assert ended.err == (
        'orders: line 1: the first line of CSV must be id,amount; found "": '
        "the content is empty; nothing was stored\n"
    )


@pytest.mark.parametrize("form", [(), ("--format", "csv"), ("--format", "ndjson")])
def test_a_compressed_file_is_named(orders: Orders, form: tuple[str, ...]) -> None:
    ended = orders.read(gzip.compress(b"id,amount\nA-1,1\n"), "import", "-", *form)
    assert ended.status == Exit.REFUSED
    assert ended.err == (
        "orders: line 1: the content is compressed (gzip): decompress it first; "
        "nothing was stored\n"
    )
    assert stored(orders) == {}


@pytest.mark.parametrize("in_file", [True, False])
def test_a_cut_off_file_stores_its_complete_rows_and_the_complete_file_the_rest(
    orders: Orders,
    *,
    in_file: bool,
) -> None:
    cut, whole = (
        f"id,amount\r\nT-1,345.67\r\nT-2,{end}".encode() for end in ("123", "1234.56\r\n")
    )
    Path("cut").write_bytes(cut)
    ended = orders("import", "cut") if in_file else orders.read(cut, "import", "-")
    assert ended.status == Exit.REFUSED
    assert ended.err == (
        "orders: line 3: possibly cut off: the last row has no line end; "
        f"if the file is complete, add --whole\norders: {counts(created=1, malformed=1)}"
    )
    ended = orders.read(whole, "import", "-")
    assert (ended.status, ended.err) == (Exit.DONE, f"orders: {counts(created=1, there=1)}")
    assert stored(orders) == {"T-1": "345.67", "T-2": "1234.56"}


def test_whole_accepts_a_last_row_without_line_end(
    orders: Orders,
) -> None:
    ended = orders.read(b"id,amount\r\nT-2,123", "import", "--whole", "-")
    assert (ended.status, ended.err) == (Exit.DONE, f"orders: {counts(created=1)}")
    assert stored(orders) == {"T-2": "123.00"}


def test_a_file_cut_off_in_quotes_is_refused_to_its_end(orders: Orders) -> None:
    content = b'id,amount\r\nA-1,1\r\n"x\r\nB-9,7.00\r\n'
    for arguments in (("import", "-"), ("import", "--whole", "-")):
        ended = orders.read(content, *arguments)
        assert ended.status == Exit.REFUSED
        assert "orders: lines 3 to 4: " in ended.err
        assert "is never closed" in ended.err
    assert stored(orders) == {"A-1": "1.00"}


def test_a_line_break_in_quotes_ends_no_row(orders: Orders) -> None:
    content = b'id,amount\r\n"x\r\nB-9,7.00\r\ny",5.00\r\nC-1,1.00\r\n'
    ended = orders.read(content, "import", "-")
    assert ended.status == Exit.REFUSED
    assert ended.err == (
        "orders: lines 2 to 4: id contains a line feed: its quote closes in a later line\n"
        f"orders: {counts(created=1, malformed=1)}"
    )
    assert stored(orders) == {"C-1": "1.00"}


def test_a_cut_off_array_stores_its_complete_orders_and_is_refused(orders: Orders) -> None:
    ended = orders.read(b'[{"id":"A-1","amount":1},{"id":"A-2","am', "import", "-")
    assert ended.status == Exit.REFUSED
    assert ended.err == (
        "orders: line 1: possibly cut off: the array is not closed by ]\n"
        f"orders: {counts(created=1, malformed=1)}"
    )
    assert stored(orders) == {"A-1": "1.00"}


def test_anything_but_an_array_is_refused_as_an_array(orders: Orders) -> None:
    ended = orders.read(b'{"id":"A-1","amount":1}\n', "import", "-", "--format", "json")
    assert (ended.status, ended.err) == (
        Exit.REFUSED,
        'orders: line 1: a JSON array begins with [; found "{"; nothing was stored\n',
    )


def test_a_file_of_only_blank_lines_holds_no_order(orders: Orders) -> None:
    ended = orders.read(b"id,amount\r\n" + b"\r\n" * 1_000, "import", "-")
    assert (ended.status, ended.err) == (Exit.DONE, f"orders: {counts()}")


def test_a_missing_file_is_named(orders: Orders) -> None:
    ended = orders("import", "missing.csv")
    assert (ended.status, ended.out) == (Exit.UNAVAILABLE, "")
    assert ended.err == "orders: missing.csv: No such file or directory\n"


def test_a_folder_is_refused(orders: Orders) -> None:
    Path("folder").mkdir()
    ended = orders("import", "folder")
    assert (ended.status, ended.err) == (Exit.UNAVAILABLE, "orders: folder: Is a directory\n")


def test_counted_orders_are_stored_when_the_database_fails_midway(orders: Orders) -> None:
    orders("migrate")
    with closing(sqlite3.connect("orders.db")) as connection:
        connection.execute(
            f"CREATE TRIGGER full BEFORE INSERT ON orders WHEN NEW.id = 'A-{BATCH + 500:06}'"
            " BEGIN SELECT RAISE(ABORT, 'no more room'); END",
        )
    ended = orders.read(b"id,amount\n" + csv_of(0, 2 * BATCH), "import", "-")
    assert ended.status == Exit.UNAVAILABLE
    assert ended.err == (
        f"orders: stopped: {counts(created=BATCH)}{SAFE}orders: orders.db: no more room\n"
    )
    assert count(orders) == BATCH


def test_ctrl_c_reports_the_stored_orders_and_exits_with_130(orders: Orders) -> None:
    process = orders.start("import", "-", stdin=subprocess.PIPE)
    with process:
        assert process.stdin is not None
        process.stdin.write(b"id,amount\n" + csv_of(0, BATCH + 10))
        process.stdin.flush()
        # What was read is stored while the input is still open.
        wait_until((orders.folder / "orders.db").exists)
        wait_until(lambda: count(orders) == BATCH)
        # What is stored is counted before more is read.
        process.stdin.write(csv_of(BATCH + 10, BATCH + 11))
        process.stdin.flush()
        wait_until(lambda: pending(process.stdin) == 0)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, out) == (Exit.INTERRUPTED, b"")
    assert err.decode() == f"orders: stopped: {counts(created=BATCH)}{SAFE}"
    assert count(orders) == BATCH


def test_counted_orders_are_stored_when_postgresql_is_killed_midway(
    orders: Orders,
) -> None:
    counted = "SELECT count(*) FROM orders"
    asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    with open_server() as server:
        database = server.new_database()
        environ = {"DATABASE_URL": server.url_text(database.name)}
        with orders.start("import", "-", stdin=subprocess.PIPE, environ=environ) as process:
            assert process.stdin is not None
            process.stdin.write(b"id,amount\n" + csv_of(0, BATCH))
            process.stdin.flush()
            wait_until(lambda: list(database.run(counted)) == [[BATCH]])
            # The first batch is counted before the next one is sent, which is not stored.
            database.run(
                "CREATE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN LOOP "
                # However long it takes to kill the server, no timeout is faster.
                "BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END; "
                "END LOOP; END $$; "
                "CREATE TRIGGER slow BEFORE INSERT ON orders EXECUTE FUNCTION sleep()"
            )
            process.stdin.write(csv_of(BATCH, 2 * BATCH))
            process.stdin.flush()
            wait_until(lambda: list(server.run(asleep)) == [[1]])
            server.kill()
            out, err = process.communicate()
        assert (process.returncode, out) == (Exit.UNAVAILABLE, b"")
        stopped, safe, reason = err.decode().splitlines(keepends=True)
        assert (stopped, safe) == (f"orders: stopped: {counts(created=BATCH)}", SAFE)
        assert "cannot connect" in reason

        server.start()
        assert list(database.run(counted)) == [[BATCH]]
        database.run("DROP FUNCTION sleep CASCADE")
        ended = orders.read(
            b"id,amount\n" + csv_of(0, 2 * BATCH),
            *("import", "-"),
            **environ,
        )
        assert ended.err == f"orders: {counts(created=BATCH, there=BATCH)}"


def refused(ended_err: str) -> list[str]:
    return [line.removeprefix("orders: line ") for line in ended_err.splitlines()[:-1]]


@pytest.mark.parametrize("on_postgres", [False, True])
def test_a_file_that_repeats_itself_is_counted_row_by_row(
    orders: Orders,
    orders_database: OrdersDatabase,
    *,
    on_postgres: bool,
) -> None:
    url = orders_database.server.url_text(orders_database.name)
    environ = {"DATABASE_URL": url} if on_postgres else {}
    new = b"".join(b"N-%06d,2\n" % number for number in range(5_000))
    # In conflict with a row before it, with one that is stored, and within the second part.
    rows = [
        b"id,amount\n",
        b"A-1,1\n",
        b"A-1,2\n",
        b"B-2,x\n",
        new,
        b'"A-1",3\n',
        b"N-002000,2.0\n",
    ]
    ended = orders.read(b"".join(rows), "import", "-", **environ)
    assert ended.status == Exit.REFUSED
    assert refused(ended.err) == [
        "3: order 'A-1' is already stored with another amount",
        "4: amount is not a decimal number such as 12.30",
        "5005: order 'A-1' is already stored with another amount",
    ]
    assert ended.err.endswith(counts(created=5_001, there=1, conflicts=2, malformed=1))
    ended = orders.read(b"".join(rows), "import", "-", **environ)
    assert len(refused(ended.err)) == 3
    assert ended.err.endswith(counts(there=5_002, conflicts=2, malformed=1))


def test_new_orders_are_stored_after_known_ones(
    orders: Orders,
    orders_database: OrdersDatabase,
) -> None:
    environ = {"DATABASE_URL": orders_database.server.url_text(orders_database.name)}
    orders.read(b"id,amount\n" + csv_of(0, 10), "import", "-", **environ)
    ended = orders.read(b"id,amount\n" + csv_of(0, 3 * BATCH), "import", "-", **environ)
    assert ended.err == f"orders: {counts(created=3 * BATCH - 10, there=10)}"
    assert orders_database.run("SELECT count(*) FROM orders") == [[3 * BATCH]]


def test_the_next_orders_are_read_while_the_store_is_at_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    content = b"id,amount\r\n" + csv_of(0, 7 * BATCH // 4)
    all_is_read = threading.Event()

    class SlowStore(MemoryStore):
        def load(self, rows: Sequence[OrderRow]) -> bool:
            assert all_is_read.wait(60)
            return super().load(rows)

    def write() -> None:
        # More than a pipe holds, unless somebody reads.
        pipe.write_bytes(content)
        all_is_read.set()

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    config = load({}, {}, None)
    monkeypatch.setattr(type(config.database), "open", lambda _database: SlowStore())
    with ThreadPoolExecutor(1) as writer:
        writer.submit(write)
        assert import_orders(config, str(pipe), "csv") == Exit.DONE


def test_orders_that_were_being_stored_when_reading_failed_are_counted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class FailingReader:
        """A file that can be read up to its second batch."""

        def __init__(self) -> None:
            self._content = io.BytesIO(b"id,amount\r\n" + csv_of(0, BATCH))

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_error: object) -> None:
            self._content.close()

        def readline(self, size: int = -1) -> bytes:
            return self._content.readline(size)

        def read(self, size: int = -1) -> bytes:
            content = self._content.read(size)
            if not content:
                raise OSError(errno.EIO, "Input/output error")
            return content

        readinto1 = read1 = read

    store = MemoryStore()
    config = load({}, {}, None)
    monkeypatch.setattr(type(config.database), "open", lambda _database: store)
    monkeypatch.setattr("orders_cli.importing._opened", lambda _file: FailingReader())
    with pytest.raises(OSError, match="Input/output error"):
        import_orders(config, str(tmp_path / "unread"), "csv")
    count = store.totals().count
    assert count > 0
    assert f"{count:,} created" in capsys.readouterr().err
