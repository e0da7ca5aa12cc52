"""`POST /orders` with many orders, as NDJSON and as CSV."""

import gzip
import tracemalloc

import pytest

from orders_http.api.bulk import MAX_BULK_BYTES, MAX_BULK_ROWS
from tests.http.wsgi_client import WsgiClient

NDJSON = "application/x-ndjson"
CSV = "text/csv"

TWO_ORDERS = {
    NDJSON: '{"id":"A","amount":1}\n{"amount":"2.5","id":"B"}\n',
    CSV: 'id,amount\r\nA,1\r\n"B",2.5\r\n',
}
BOTH = pytest.mark.parametrize("content_type", [NDJSON, CSV])


def lines(content_type: str, *orders: tuple[str, str]) -> str:
    """Write orders; the first is on line 1 of NDJSON and line 2 of CSV."""
    if content_type == CSV:
        return "".join(f"{a},{b}\r\n" for a, b in (("id", "amount"), *orders))
    return "".join(f'{{"id":"{a}","amount":"{b}"}}\n' for a, b in orders)


def first_line(content_type: str) -> int:
    return 2 if content_type == CSV else 1


@BOTH
def test_all_orders_are_stored_and_counted(client: WsgiClient, content_type: str) -> None:
    answer = client.post(TWO_ORDERS[content_type], content_type)
    assert (answer.status, answer.json()) == (200, {"created": 2, "replayed": 0})
    assert client.get("/orders").body == b'[{"id":"A","amount":1.00},{"id":"B","amount":2.50}]'


@BOTH
def test_replays_are_counted_separately(client: WsgiClient, content_type: str) -> None:
    client.post('{"id":"B","amount":2.50}')
    answer = client.post(TWO_ORDERS[content_type], content_type)
    assert (answer.status, answer.json()) == (200, {"created": 1, "replayed": 1})
    again = client.post(TWO_ORDERS[content_type], content_type)
    assert (again.status, again.json()) == (200, {"created": 0, "replayed": 2})


@BOTH
def test_an_order_twice_in_one_body_is_a_replay(client: WsgiClient, content_type: str) -> None:
    answer = client.post(lines(content_type, ("A", "1"), ("A", "1.00")), content_type)
    assert answer.json() == {"created": 1, "replayed": 1}


@BOTH
def test_a_conflict_stores_nothing_and_lists_each_line(
    client: WsgiClient,
    content_type: str,
) -> None:
    client.post('{"id":"B","amount":1}')
    body = lines(content_type, ("A", "1"), ("B", "2"), ("C", "1"), ("C", "2"))
    answer = client.post(body, content_type)
    assert (answer.status, answer.problem()) == (409, "order-conflict")
    first = first_line(content_type)
    assert [error["line"] for error in answer.json()["errors"]] == [first + 1, first + 3]
    assert "nothing was stored" in answer.json()["detail"]
    assert "and 1 more" in answer.json()["detail"]
    assert client.get("/orders").body == b'[{"id":"B","amount":1.00}]'


@BOTH
def test_a_conflict_within_the_body_is_reported_as_possibly_that(
    client: WsgiClient,
    content_type: str,
) -> None:
    answer = client.post(lines(content_type, ("A", "1"), ("A", "2")), content_type)
    assert answer.problem() == "order-conflict"
    (error,) = answer.json()["errors"]
    assert error == {
        "line": first_line(content_type) + 1,
        "detail": "order 'A' is stored, or is on an earlier line, with another amount",
    }


@BOTH
def test_unacceptable_orders_store_nothing_and_are_listed_by_line(
    client: WsgiClient,
    content_type: str,
) -> None:
    body = lines(content_type, ("A", "1"), ("B", "1.005"), ("C", "1"), (".", "1"))
    answer = client.post(body, content_type)
    assert (answer.status, answer.problem()) == (422, "invalid-order")
    first = first_line(content_type)
    assert [error["line"] for error in answer.json()["errors"]] == [first + 1, first + 3]
    assert client.get("/orders").body == b"[]"


@BOTH
def test_one_unreadable_line_makes_the_body_malformed(
    client: WsgiClient,
    content_type: str,
) -> None:
    body = lines(content_type, ("A", "1.005")) + '{"id":\n'
    answer = client.post(body, content_type)
    assert (answer.status, answer.problem()) == (400, "malformed-body")
    assert len(answer.json()["errors"]) == 2
    assert client.get("/orders").body == b"[]"


@BOTH
def test_a_body_without_an_order_is_refused(client: WsgiClient, content_type: str) -> None:
    for body in ("", "\n\r\n", lines(content_type)):
        answer = client.post(body, content_type)
        assert (answer.status, answer.problem()) == (400, "malformed-body"), body


@BOTH
def test_the_maximum_number_of_orders_is_stored_and_one_more_refused(
    client: WsgiClient,
    content_type: str,
) -> None:
    rows = [(f"{number:04}", "1") for number in range(MAX_BULK_ROWS + 1)]
    answer = client.post(lines(content_type, *rows), content_type)
    assert (answer.status, answer.problem()) == (413, "body-too-large")
    assert client.get("/orders").body == b"[]"
    answer = client.post(lines(content_type, *rows[:MAX_BULK_ROWS]), content_type)
    assert (answer.status, answer.json()) == (200, {"created": MAX_BULK_ROWS, "replayed": 0})


@BOTH
def test_a_body_of_1_mib_of_wrong_lines_needs_little_memory(
    client: WsgiClient,
    content_type: str,
) -> None:
    header = b"id,amount\n" if content_type == CSV else b""
    body = header + b"x\n" * ((MAX_BULK_BYTES - len(header)) // 2)
    # What is allocated once does not count.
    assert client.post(body, content_type).status == 413
    tracemalloc.start()
    try:
        answer = client.post(body, content_type)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (answer.status, answer.problem()) == (413, "body-too-large")
    # All 524,288 lines and their errors would need more than 100 MiB.
    assert peak < 4 * MAX_BULK_BYTES


@BOTH
def test_1_mib_is_accepted_and_one_byte_more_refused(client: WsgiClient, content_type: str) -> None:
    order = lines(content_type, ("A", "1"))
    # One more line, which is too long: the error is reported once the body was read.
    wrong = order + "x" * (MAX_BULK_BYTES - len(order))
    assert client.post(wrong, content_type).problem() == "malformed-body"
    answer = client.post(wrong + "x", content_type)
    assert (answer.status, answer.problem()) == (413, "body-too-large")


@BOTH
@pytest.mark.parametrize("blank", ["\n", "\r\n"])
def test_blank_lines_count_as_orders_do(
    client: WsgiClient,
    content_type: str,
    blank: str,
) -> None:
    rows = lines(content_type, ("A", "1"), ("B", "1"))
    answer = client.post(rows + blank * (MAX_BULK_ROWS - 2), content_type)
    assert (answer.status, answer.json()) == (200, {"created": 2, "replayed": 0})
    answer = client.post(rows + blank * (MAX_BULK_ROWS - 1), content_type)
    assert (answer.status, answer.problem()) == (413, "body-too-large")
    assert "blank lines count" in answer.json()["detail"]


@BOTH
def test_both_kinds_of_line_ends_work_and_the_last_is_optional(
    client: WsgiClient,
    content_type: str,
) -> None:
    body = TWO_ORDERS[content_type].replace("\r\n", "\n")
    assert client.post(body, content_type).json()["created"] == 2
    assert client.post(body.replace("\n", "\r\n").strip(), content_type).json()["replayed"] == 2


@BOTH
def test_a_line_longer_than_any_order_is_refused_and_reading_continues(
    client: WsgiClient,
    content_type: str,
) -> None:
    body = lines(content_type, ("A", "1" * 20_000), ("B", "2"), ("", "1"))
    answer = client.post(body, content_type)
    assert answer.problem() == "malformed-body"
    first = first_line(content_type)
    too_long, invalid = answer.json()["errors"]
    assert (too_long["line"], invalid["line"]) == (first, first + 2)
    assert "longer than 8192 bytes" in too_long["detail"]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("A,1\r\n", '"A,1": that looks like an order'),
        ("amount,id\r\n1,A\r\n", '"amount,id": the columns are in another order'),
        ("ID,Amount\r\nA,1\r\n", '"ID,Amount": write the names in lower case'),
        ("id;amount\r\nA;1,00\r\n", '"id;amount": the fields are separated by semicolons'),
        ("id,amount\rA,1\r", "the lines end with CR alone"),
        ('[{"id":"A","amount":1}]', "that is a JSON array, not CSV"),
        ("\r\nid,amount\r\nA,1\r\n", "the line is empty"),
        ("", "the content is empty"),
    ],
)
def test_csv_without_its_header_is_refused_with_a_diagnosis(
    client: WsgiClient,
    body: str,
    found: str,
) -> None:
    answer = client.post(body, CSV)
    assert (answer.status, answer.problem()) == (400, "malformed-body")
    (error,) = answer.json()["errors"]
    assert error["line"] == 1
    assert error["detail"].startswith("the first line of CSV must be id,amount; found ")
    assert found in error["detail"]
    assert answer.json()["detail"] == f"nothing was stored: line 1: {error['detail']}"


@BOTH
@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("id,amount\r\nA,1\r\n".encode("utf-16"), "UTF-16"),
        (gzip.compress(b"id,amount\r\nA,1\r\n", mtime=0), "gzip"),
    ],
)
def test_a_body_that_is_not_text_is_refused_with_a_diagnosis(
    client: WsgiClient,
    content_type: str,
    body: bytes,
    what: str,
) -> None:
    answer = client.post(body, content_type)
    assert (answer.status, answer.problem()) == (400, "malformed-body")
    assert what in answer.json()["detail"]


def test_a_csv_header_may_be_partly_quoted(client: WsgiClient) -> None:
    assert client.post('"id",amount\r\nA,1\r\n', CSV).json()["created"] == 1


def test_a_line_break_in_quotes_does_not_end_a_csv_row(client: WsgiClient) -> None:
    answer = client.post('id,amount\r\n"x\r\nB-9,7.00\r\ny",5.00\r\nC-1,1.00\r\n', CSV)
    assert (answer.status, answer.problem()) == (422, "invalid-order")
    detail = "id contains a line feed: its quote closes in a later line"
    assert answer.json()["errors"] == [{"line": 2, "last_line": 4, "detail": detail}]
    assert answer.json()["detail"] == f"nothing was stored: lines 2 to 4: {detail}"
    assert client.get("/orders").body == b"[]"


def test_the_last_row_of_csv_needs_no_line_end(
    client: WsgiClient,
) -> None:
    assert client.post("id,amount\r\nT-1,345.67\r\nT-2,1234.56", CSV).json()["created"] == 2


@pytest.mark.parametrize(
    "row",
    ["A", "A,1,2", '"A,1', 'A"B",1,', '="00123",5', 'A"1,5', '"A"B,1', "A\rB,1", " ", "\xff"],
)
def test_a_csv_row_must_be_two_fields_of_utf_8(
    client: WsgiClient,
    row: str,
) -> None:
    answer = client.post(b"id,amount\r\n" + row.encode("latin-1") + b"\r\n", CSV)
    assert (answer.status, answer.problem()) == (400, "malformed-body")
    assert answer.json()["errors"][0]["line"] == 2


@BOTH
def test_a_body_of_many_may_begin_with_a_byte_order_mark(
    client: WsgiClient,
    content_type: str,
) -> None:
    body = "\ufeff" + lines(content_type, ("A", "1"))
    assert client.post(body, content_type).json()["created"] == 1
    assert client.post("\ufeff" + body, content_type).problem() == "malformed-body"


def test_a_body_of_one_order_must_not_begin_with_a_byte_order_mark(client: WsgiClient) -> None:
    answer = client.post('\ufeff{"id":"A","amount":1}')
    assert (answer.status, answer.problem()) == (400, "malformed-body")
    assert "byte order mark" in answer.json()["detail"]


def test_quoted_fields_of_csv_are_read(client: WsgiClient) -> None:
    client.post('id,amount\r\n"a ""b"", c",1\r\n', CSV)
    assert client.get("/orders?id=a+%22b%22,+c").status == 200


@pytest.mark.parametrize(
    "line",
    ["[]", "1", '{}\n\ufeff{"id":"A","amount":1}', '{"id":"A","amount":1} {"id":"B","amount":1}'],
)
def test_a_line_of_ndjson_must_be_one_object(client: WsgiClient, line: str) -> None:
    answer = client.post(line, NDJSON)
    assert (answer.status, answer.problem()) == (400, "malformed-body")
