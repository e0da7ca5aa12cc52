"""Reading many: each record is an order or refused by its lines, whatever stands around it."""

import csv
import io
import json
import tracemalloc
from itertools import islice
from typing import Any

import pytest
from attrs import frozen
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orders_core import Order, json_lines, order_to_json
from orders_records import (
    MAX_RECORD_BYTES,
    MediaType,
    csv_of_json_lines,
    read_batches,
)
from tests.http.strategies import awkward_orders
from tests.records.reading import read, read_alike
from tests.strategies import id_texts

LINE_FORMS = [MediaType.NDJSON, MediaType.CSV]
BOTH = pytest.mark.parametrize("media_type", LINE_FORMS)
HEADER = b"id,amount\r\n"


@frozen
class Piece:
    """A record as it is written, with its line end, and what it gives.

    Attributes:
        text: The bytes.
        order: The order; None when the record is refused.
        is_blank: Whether it is a blank line instead.
    """

    text: bytes
    order: Order | None = None
    is_blank: bool = False


LINE_ENDS = st.sampled_from([b"\n", b"\r\n"])


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def good_rows() -> st.SearchStrategy[Piece]:
    def row(order: Order, quote_id: bool, quote_amount: bool, end: bytes) -> Piece:  # noqa: FBT001 - drawn
        order_id, amount = order.id.value, str(order.amount)
        if quote_id or set(order_id) & set('",'):
            order_id = quoted(order_id)
        if quote_amount:
            amount = quoted(amount)
        return Piece(f"{order_id},{amount}".encode() + end, order)

    return st.builds(row, awkward_orders(), st.booleans(), st.booleans(), LINE_ENDS)


# By RFC 4180, each is one record to its end, and not an order.
WRONG_ROWS = (
    *(b'="00123",5', b'A"1,5', b'A,"5" ', b' "A",5', b'"A" ,5', b'"A"x,5', b'"A""B"x"y,5'),
    *(b"A", b"A,1,2", b"A,", b",1", b'"",1', b'"A","",', b" ", b"\t", b",", b'""', b"\xff,1"),
    *(b'"x\r\nB-9,7.00\r\ny",5.00', b'"x\nB-9,7.00\ny",5', b'A,"1\n2"', b'"\n",1', b'"\r\n\r\n",1'),
    *(b'"x""\nB-9,7.00\n""y",5', b'"x"z,"\nB-9,7.00\n"', b'A"1,"\nB-9,7.00\n"', b'"a,\nB,1\n",2'),
    *(b"A\rB,1", b"\rA,1", b"A,1\r\r", b"A\0,1", b'"A\0",1', b"A,1\0", b"A,1e", b"A,1.005"),
    *(b'"A\rB",1', b"\xef\xbb\xbf,1", b"'A',1\"", b'A,1"', b'"A",1"', b"x" * 9_000),
    *(b'"' + b"x\n" * 5_000 + b'",1', b'"' + b'""\n' * 6_000 + b'",1', b"A,1," * 3_000),
    *(b'"' + b"x" * 8_191 + b'"",""\n",1', b'"' + b"x" * 8_192 + b'""\n",1', b",\n"[:1] * 9_000),
    *(b"A," + b" " * 8_190 + b'"', b'A,"' + b"\n" * 8_189 + b'""",', b"z" * 8_193 + b'"\\,"\n"'),
)


def pieces() -> st.SearchStrategy[Piece]:
    wrong = st.builds(lambda text, end: Piece(text + end), st.sampled_from(WRONG_ROWS), LINE_ENDS)
    blank = LINE_ENDS.map(lambda end: Piece(end, is_blank=True))
    return good_rows() | wrong | blank


@settings(max_examples=80)
@given(st.lists(pieces(), max_size=8), st.booleans())
def test_each_row_is_one_order_or_one_refusal_whatever_surrounds_it(
    rows: list[Piece],
    mark: bool,  # noqa: FBT001 - drawn
) -> None:
    content = (b"\xef\xbb\xbf" if mark else b"") + HEADER + b"".join(row.text for row in rows)
    found = read_alike(content, MediaType.CSV, whole=False)
    number = 2
    orders, places = {}, []
    for row in rows:
        last = number + row.text.count(b"\n") - 1
        if row.order is not None:
            orders[number] = row.order
        elif not row.is_blank:
            places.append(f"line {number}" if last == number else f"lines {number} to {last}")
        number = last + 1
    assert (found.orders, found.places) == (orders, places)
    assert found.blank == sum(row.is_blank for row in rows)


CSV_TEXTS = st.lists(
    st.sampled_from(['"', '""', ",", "\n", "\r\n", "A", "1", "=", " ", "x,1\n", '"x",1\n', "\0"]),
    max_size=25,
).map("".join)


@settings(max_examples=200)
@given(CSV_TEXTS)
@example('"x\r\nB-9,7.00\r\ny",5.00\r\nC-1,1.00\r\n')
def test_no_order_is_read_where_another_csv_reader_finds_none(text: str) -> None:
    found = read_alike(HEADER + text.encode(), MediaType.CSV)
    reader = csv.reader(io.StringIO(text, newline=""))
    others, first = {}, 2
    for row in reader:
        others[first] = row
        first = reader.line_num + 2
    for number, order in found.orders.items():
        other_id, other_amount = others[number]
        assert Order(other_id, other_amount) == order


@settings(max_examples=200)
@given(CSV_TEXTS)
def test_every_order_that_a_strict_csv_reader_finds_is_read(text: str) -> None:
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        return
    found = read(HEADER + text.encode(), MediaType.CSV)
    # That reader accepts a quote inside a field that is not quoted.
    if not any("a quote is inside" in problem for _, problem in found.refused):
        read_rows = len(found.in_order) + len(found.refused)
        assert read_rows == sum(1 for row in rows if row)


@settings(max_examples=60)
@given(st.binary(max_size=200) | st.text('{}[]",:\n\r \\idamount1.e', max_size=80).map(str.encode))
def test_any_bytes_are_read_the_same_in_pieces_of_any_size(content: bytes) -> None:
    for media_type in MediaType:
        read_alike(content, media_type)
        read_alike(HEADER + content, media_type, whole=False)
        read_alike(b"[" + content, media_type, whole=False)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("rest", "place"),
    [
        (b'"x', "line 3"),
        (b'"x\n', "line 3"),
        (b'"x\nB-9,7.00\n', "lines 3 to 4"),
        (b'"x\nB-9,7.00\ny', "lines 3 to 5"),
        (b'"x\nB-9,7.00\n\n\n', "lines 3 to 6"),
        (b'"x""\nB-9,7.00\n', "lines 3 to 4"),
        (b'A,"5', "line 3"),
        (b'"' + b"B-9,7.00\n" * 2_000, "lines 3 to 2002"),
        (b'"' + b"B-9,7.00\n" * 2_000 + b"x", "lines 3 to 2003"),
        (b'"' + b"B-9,7.00\n" * 2_000 + b"\n\n", "lines 3 to 2004"),
    ],
    ids=range(10),
)
def test_an_unclosed_quote_extends_to_the_end(
    rest: bytes,
    place: str,
    whole: bool,  # noqa: FBT001 - drawn
) -> None:
    found = read_alike(HEADER + b"A-1,1\n" + rest, MediaType.CSV, whole=whole)
    assert found.in_order == [Order("A-1", 1)]
    ((found_place, problem),) = found.refused
    assert found_place == place
    assert "is never closed" in problem
    assert problem.startswith("possibly cut off: ") is not whole


def test_a_record_that_is_too_long_is_refused_once() -> None:
    found = read_alike(HEADER + b"A-1,1\n" + b"x" * 100_000, MediaType.CSV)
    assert found.places == ["line 3"]
    assert "longer than 8192 bytes" in found.refused[0][1]


@pytest.mark.parametrize("length", [MAX_RECORD_BYTES - 1, MAX_RECORD_BYTES])
@BOTH
def test_a_record_may_be_as_long_as_the_limit(media_type: MediaType, length: int) -> None:
    # An amount that is too long is found by reading it; a record that is too long is not read.
    beginning = HEADER + b"A," if media_type is MediaType.CSV else b'{"id":"A","amount":"'
    used = 2 if media_type is MediaType.CSV else len(beginning) + 2
    amount = b"1" * (length - used)
    end = b"" if media_type is MediaType.CSV else b'"}'
    for line_end in (b"\n", b"\r\n", b""):
        ((_, problem),) = read(beginning + amount + end + line_end, media_type).refused
        assert problem == "amount is longer than 32 characters"
        ((_, problem),) = read(beginning + b"11" + amount + end + line_end, media_type).refused
        assert "longer than 8192 bytes" in problem


def test_a_last_row_of_csv_without_line_end_is_accepted_only_from_whole_content() -> None:
    content = HEADER + b"T-1,345.67\r\nT-2,123"
    for rest in (b"", b"\r"):
        found = read_alike(content + rest, MediaType.CSV, whole=False)
        assert found.in_order == [Order("T-1", "345.67")]
        assert found.refused == [("line 3", "possibly cut off: the last row has no line end")]
        assert len(read_alike(content + rest, MediaType.CSV, whole=True).in_order) == 2


@pytest.mark.parametrize("header", [b"id,amount", b"\xef\xbb\xbfid,amount", b"id,amount\r"])
def test_a_header_without_line_end_may_be_cut_off_too(header: bytes) -> None:
    found = read_alike(header, MediaType.CSV, whole=False)
    assert found.refused == [("line 1", "possibly cut off: the header has no line end")]
    assert read_alike(header, MediaType.CSV, whole=True).refused == []


def test_a_last_line_of_ndjson_is_read_without_line_end_unless_it_is_cut_off() -> None:
    content = b'{"id":"T-1","amount":1}\n{"id":"T-2","amount":123}'
    assert len(read_alike(content, MediaType.NDJSON, whole=False).in_order) == 2
    for cut in range(25, len(content)):
        found = read_alike(content[:cut], MediaType.NDJSON, whole=False)
        assert found.in_order == [Order("T-1", 1)]
        ((place, problem),) = found.refused
        assert place == "line 2"
        assert problem.startswith("possibly cut off: not acceptable JSON")
    found = read(content[:-1], MediaType.NDJSON, whole=True)
    assert found.refused[0][1].startswith("not acceptable JSON")


@pytest.mark.parametrize("line", [b"[]", b'{"orders":[]}', b'{"id":"A"}', b'"x"'])
def test_a_last_line_of_json_that_is_not_an_order_is_not_reported_as_cut_off(line: bytes) -> None:
    ((place, problem),) = read_alike(line, MediaType.NDJSON, whole=False).refused
    assert place == "line 1"
    assert "cut off" not in problem


@pytest.mark.parametrize("content", [b"A-1,1\r\nB", b"A-1,1\r\nB-2,2.0", b'"A-1",1\r\n"B-2",2'])
def test_a_file_cut_off_anywhere_gives_no_order_that_the_whole_file_lacks(content: bytes) -> None:
    whole = read(HEADER + content + b"\r\n", MediaType.CSV).in_order
    for cut in range(len(content)):
        found = read_alike((HEADER + content)[:cut], MediaType.CSV, whole=False)
        assert found.in_order == whole[: len(found.in_order)]


@BOTH
def test_blank_lines_are_counted_and_give_no_orders(media_type: MediaType) -> None:
    header = HEADER if media_type is MediaType.CSV else b""
    order = b"A,1\n" if media_type is MediaType.CSV else b'{"id":"A","amount":1}\n'
    found = read_alike(header + b"\n\r\n\n" + order + b"\r\n" + order, media_type)
    assert found.blank == 4
    first = 2 if media_type is MediaType.CSV else 1
    assert list(found.orders) == [first + 3, first + 5]


def test_a_line_of_white_space_is_blank_in_ndjson_and_a_field_in_csv() -> None:
    found = read_alike(b" \t\r\n\r\r\n  \n \t", MediaType.NDJSON)
    assert (found.blank, found.refused) == (4, [])
    found = read_alike(HEADER + b" \t\r\n\r\r\n  \n", MediaType.CSV)
    assert (found.blank, found.places) == (0, ["line 2", "line 3", "line 4"])


class Repeated(io.RawIOBase):
    """Bytes generated during reading: a beginning, and then the same piece repeated."""

    def __init__(self, beginning: bytes, piece: bytes, length: int) -> None:
        self.rest = beginning
        self.piece = piece
        self.left = length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - whatever holds bytes
        if not self.rest:
            self.rest = self.piece * min(self.left // len(self.piece), 1_000)
            self.left -= len(self.rest)
        taken = self.rest[: len(buffer)]
        self.rest = self.rest[len(taken) :]
        buffer[: len(taken)] = taken
        return len(taken)


@pytest.mark.parametrize(
    ("media_type", "beginning", "piece"),
    [
        (MediaType.NDJSON, b"", b"x"),
        (MediaType.NDJSON, b"", b'{"id":"'),
        (MediaType.CSV, HEADER, b"x"),
        (MediaType.CSV, HEADER, b",\r"),
        (MediaType.CSV, HEADER + b'"', b"x\n"),
        (MediaType.CSV, HEADER + b'"', b'""'),
        (MediaType.CSV, HEADER, b'"",'),
        (MediaType.JSON, b"[", b"["),
        (MediaType.JSON, b'["', b"x"),
        (MediaType.JSON, b"[", b" \n"),
    ],
)
def test_a_record_of_any_length_needs_little_memory(
    media_type: MediaType,
    beginning: bytes,
    piece: bytes,
) -> None:
    content = io.BufferedReader(Repeated(beginning, piece, 1024 * 1024))
    tracemalloc.start()
    try:
        batches = list(read_batches(content, media_type, whole=True, size=16 * 1024))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(len(batch.refusals) for batch in batches) == 1
    assert peak < 512 * 1024


@BOTH
@pytest.mark.parametrize("line", [b"x" * 8_000, b'{"id":5,"amount":"' + b"1" * 7_900 + b'"}'])
def test_refusals_do_not_keep_the_content_in_memory(media_type: MediaType, line: bytes) -> None:
    content = io.BytesIO((b"id,amount\n" if media_type is MediaType.CSV else b"") + line + b"\n")
    # Objects that are made once are not counted.
    list(read_batches(content, media_type, whole=True))
    content = io.BytesIO(content.getvalue() + (line + b"\n") * 1_000)
    tracemalloc.start()
    try:
        batches = list(read_batches(content, media_type, whole=True))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(len(batch.refusals) for batch in batches) == 1_001
    assert kept < 2_000_000


@pytest.mark.parametrize("media_type", MediaType)
def test_a_batch_has_a_bounded_number_of_refusals_and_the_next_one_continues(
    media_type: MediaType,
) -> None:
    content = {
        MediaType.CSV: b"id,amount\n" + b"x\n" * 100_000,
        MediaType.NDJSON: b"x\n" * 100_000,
        MediaType.JSON: b"[" + b"1," * 100_000 + b"1]",
    }[media_type]
    batches = read_batches(io.BytesIO(content), media_type, whole=True)
    sizes = [len(batch.refusals) for batch in islice(batches, 5)]
    assert sizes == [1_000] * 5
    assert sum(sizes) + sum(len(batch.refusals) for batch in batches) >= 100_000


@pytest.mark.parametrize("media_type", LINE_FORMS)
def test_batches_are_read_in_pieces_of_whole_lines(media_type: MediaType) -> None:
    orders = [Order(f"id-{number:06}", number) for number in range(60_000)]
    orders[40_000] = Order('quo"te', 1)
    content = json_lines(order.row for order in orders)
    if media_type is MediaType.CSV:
        content = HEADER + csv_of_json_lines(content)
    batches = list(read_batches(io.BytesIO(content), media_type, whole=True))
    assert len(batches) > 1
    assert [Order(*row) for batch in batches for row in batch.rows] == orders
    first = 1 if media_type is MediaType.NDJSON else 2
    numbers = [number for batch in batches for number in batch.numbers]
    assert numbers == list(range(first, first + len(orders)))


# Texts of all that lies near a plain line: spaces, escapes, quotes, odd amounts, broken UTF-8.
PARTS = st.lists(
    st.sampled_from(
        [
            *(
                '{"id":"',
                '{"id": "',
                '","amount":',
                '", "amount": ',
                "}",
                "} ",
                '"',
                ",",
                "\\",
                ".",
            ),
            *("A", "..", " ", "\t", "\r", "\x7f", "\u0085", "\u00a0", "\u2028", "\u3000", "\ufeff"),
            *("\u200b", "\u3164", "\ufe0f", "\U000e0041", "\u2800"),
            *("0", "1", "01", "12.3", "1.005", "-0", "1e2", "9999999999999.99", "10000000000000"),
            *("x" * 127, "x" * 128, "\U0001f600" * 127, "\ue000", "\\u0041", "\\n", "id", "amount"),
        ],
    ),
    max_size=9,
).map("".join)
LINES = st.one_of(
    PARTS.map(str.encode),
    st.builds('{{"id":"{}","amount":{}}}'.format, PARTS, PARTS).map(str.encode),
    st.builds("{},{}".format, PARTS, PARTS).map(str.encode),
    awkward_orders().map(order_to_json),
    awkward_orders().map(lambda order: f"{order.id},{order.amount}".encode()),
    st.binary(max_size=30).map(lambda part: b'{"id":"' + part + b'","amount":1}'),
    st.binary(max_size=30).map(lambda part: part + b",1.0"),
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\r\r\n"])
CONTENTS = st.builds(
    lambda header, lines, last: header + b"".join(line + end for line, end in lines) + last,
    st.sampled_from([b"", b"id,amount\r\n", b"\xef\xbb\xbfid,amount\n"]),
    st.lists(st.tuples(LINES, ENDS), max_size=8),
    LINES,
)


@settings(max_examples=100)
@given(CONTENTS, st.sampled_from(LINE_FORMS))
@example(b'{"id":"A","amount":1}\n{"id":"..","amount":1}\n', MediaType.NDJSON)
@example(b'{"id":"\xed\xa0\x80","amount":1}\n{"id":"\xff","amount":1}', MediaType.NDJSON)
@example(b"", MediaType.CSV)
def test_a_plain_record_is_read_like_an_escaped_one(
    content: bytes,
    media_type: MediaType,
) -> None:
    header = HEADER if media_type is MediaType.CSV else b""
    found = read_alike(header + content, media_type)
    if b'"' in content and media_type is MediaType.CSV:
        return
    # One by one, each after a record that is not plain.
    odd = b"x\n"
    first = header.count(b"\n") + 1
    for number, line in enumerate(content.split(b"\n"), first):
        alone = read(header + odd + line, media_type)
        expected = alone.orders.get(first + 1)
        assert found.orders.get(number) == expected


@given(st.text(max_size=3) | id_texts() | PARTS | st.text(" .x\x85\u2003\u200b", max_size=130))
def test_every_text_is_accepted_both_plain_and_escaped_or_neither(text: str) -> None:
    line = json.dumps({"id": text, "amount": 0}, ensure_ascii=False).encode(errors="surrogatepass")
    other = line.replace(b'"amount": 0', b'"amount": 0.000')
    assert read(line + b"\n", MediaType.NDJSON) == read(other + b"\n", MediaType.NDJSON)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_long_record_ends_at_the_same_byte_wherever_a_piece_ends(size: int) -> None:
    content = b'id,amount\n"' + b"x" * MAX_RECORD_BYTES + b'","","\n",1\nA-1,1\n'
    batches = list(read_batches(io.BytesIO(content), MediaType.CSV, whole=True, size=size))
    assert [row for batch in batches for row in batch.rows] == [("A-1", "1")]
    assert [each.lines for batch in batches for each in batch.refusals] == ["lines 2 to 3"]
