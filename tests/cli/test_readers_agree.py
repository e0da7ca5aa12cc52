"""The command and HTTP read the same from the same bytes, and CSV and NDJSON agree.

What differs has its reason beside it.
"""

from pathlib import Path

import pytest

from orders_http.api.application import HttpSettings, create_app
from orders_http.api.hosts import HostRule
from orders_memory import MemoryStore
from tests.cli.command import Orders
from tests.cli.test_import import stored
from tests.http.wsgi_client import WsgiClient

MARK = b"\xef\xbb\xbf"
FORMS = {"csv": "text/csv", "ndjson": "application/x-ndjson"}
HEADERS = {"csv": b"id,amount\n", "ndjson": b""}
A = {"csv": b"A,1", "ndjson": b'{"id":"A","amount":1}'}
B = {"csv": b"B,2", "ndjson": b'{"id":"B","amount":2}'}
WRONG = {"csv": b"x", "ndjson": b"x"}
EVERY_FORM = pytest.mark.parametrize("form", FORMS)


def by_http(content: bytes, form: str) -> bool:
    """Tell whether HTTP accepts all of some content."""
    client = WsgiClient(create_app(MemoryStore(), HttpSettings("USD", HostRule())))
    return client.post(content, FORMS[form]).status == 200


def by_command(orders: Orders, content: bytes, form: str, *flags: str) -> bool:
    """Tell whether all of some content is stored, with the format given and guessed."""
    Path("file").write_bytes(content)
    ended = orders("import", "file", "--format", form, *flags)
    guessed = orders("import", "file", *flags, DATABASE_URL="sqlite:///guessed.db")
    assert guessed.status == ended.status
    return ended.status == 0


@EVERY_FORM
@pytest.mark.parametrize(
    ("before", "between", "after", "taken"),
    [
        (b"", b"\n", b"\n", True),
        (b"", b"\r\n", b"\r\n", True),
        (b"", b"\n\n\r\n", b"\n\n", True),
        (MARK, b"\n", b"\n", True),
        (MARK + MARK, b"\n", b"\n", False),
        (b"", b"\n" + MARK, b"\n", False),
        (b"", b"\r", b"\r\n", False),
        (b"", b"\0\n", b"\n", False),
        (b"", b"\xff\n", b"\n", False),
        (b"", b"\n" + b"y" * 9_000 + b"\n", b"\n", False),
    ],
)
def test_every_reader_takes_the_same(  # noqa: PLR0913 - a row of the table
    orders: Orders,
    form: str,
    before: bytes,
    between: bytes,
    after: bytes,
    *,
    taken: bool,
) -> None:
    content = before + HEADERS[form] + A[form] + between + B[form] + after
    assert by_http(content, form) == taken
    assert by_command(orders, content, form) == taken
    if taken:
        assert stored(orders) == {"A": "1.00", "B": "2.00"}


@EVERY_FORM
def test_one_wrong_record_stores_nothing_by_http_and_stops_no_other_by_the_command(
    orders: Orders,
    form: str,
) -> None:
    """A request is atomic, and its sender can correct it; a file may have a million rows."""
    content = HEADERS[form] + A[form] + b"\n" + WRONG[form] + b"\n" + B[form] + b"\n"
    assert not by_http(content, form)
    assert not by_command(orders, content, form)
    assert stored(orders) == {"A": "1.00", "B": "2.00"}


@EVERY_FORM
def test_only_the_command_reading_csv_doubts_a_last_record_without_line_end(
    orders: Orders,
    form: str,
) -> None:
    """A body has its length; an object has its closing brace; a row of CSV has neither."""
    content = HEADERS[form] + A[form] + b"\n" + B[form]
    assert by_http(content, form)
    assert by_command(orders, content, form) == (form != "csv")
    assert by_command(orders, content, form, "--whole")


@EVERY_FORM
def test_white_space_alone_is_a_field_to_csv_and_nothing_to_json(
    orders: Orders,
    form: str,
) -> None:
    """RFC 4180, section 2, rule 4, and RFC 8259, section 2."""
    content = HEADERS[form] + A[form] + b"\n \t\n" + B[form] + b"\n"
    assert by_http(content, form) == (form == "ndjson")
    assert by_command(orders, content, form) == (form == "ndjson")


def test_a_line_break_in_quotes_is_refused_with_its_record_alone(orders: Orders) -> None:
    content = b'id,amount\r\nA,1\r\n"x\r\nB,7.00\r\ny",5.00\r\n'
    assert not by_http(content, "csv")
    assert not by_command(orders, content, "csv")
    assert stored(orders) == {"A": "1.00"}
