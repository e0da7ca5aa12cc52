"""Orders as bytes: one JSON object, lines of them (NDJSON), or CSV; read strictly, written exactly.

The HTTP interface and the commands `import` and `export` share these forms.
"""

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from enum import Enum
from typing import BinaryIO, Final

from attrs import evolve, frozen

from orders_core import MAX_ID_LENGTH, InvalidOrder, Order, Violation
from orders_http.strict_json import InvalidJson, JsonValue, Number, parse

CSV_HEADER: Final = "id,amount"
MAX_LINE_BYTES: Final = 8 * 1024
"""No order needs a longer line: 128 characters of JSON escapes take 1,536 bytes."""

BATCH_BYTES: Final = 512 * 1024
"""Bytes that `read_batches` reads at a time, and the rest of a line."""

_MEMBERS: Final = ("id", "amount")
_UNKNOWN: Final = "is unknown: an order has id and amount"
_MAX_UNKNOWN: Final = 10
_MAX_NAME_LENGTH: Final = 64
# Some programs quote every field.
_CSV_HEADERS: Final = (b"id,amount", b'"id","amount"')
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class MediaType(Enum):
    """The forms that orders are read and written in. The values are registered media types."""

    JSON = "application/json"
    NDJSON = "application/x-ndjson"
    CSV = "text/csv"


def _plain_id(end: str, also_not: str) -> str:
    """Give the pattern of an id, as `OrderId` has it, that stands in front of an end as it is."""
    characters = rf'[^"\\{also_not}\x00-\x1f\x7f-\x9f\ud800-\udfff]'
    return rf"(?!\s|\.{{1,2}}{end})({characters}{{1,{MAX_ID_LENGTH}}})(?<!\s){end}"


# As `Amount` has it: not more than 13 digits, and nothing to round.
_PLAIN_AMOUNT: Final = r"((?:0|[1-9][0-9]{0,12})(?:\.[0-9]{1,2})?)"
_PLAIN: Final = {
    MediaType.NDJSON: re.compile(
        rf"""^\{{"id": ?"{_plain_id('"', "")}, ?"amount": ?{_PLAIN_AMOUNT}\}}\r?\n""",
        re.MULTILINE,
    ),
    MediaType.CSV: re.compile(rf"^{_plain_id(',', ',')}{_PLAIN_AMOUNT}\r?\n", re.MULTILINE),
}
"""Lines that hold an order with nothing escaped or quoted: most lines of most files."""
_SPACE: Final = rb"[ \t\r\n]*"
_PLAIN_OBJECT: Final = re.compile(
    _SPACE.join(
        (
            *(b"", rb"\{", b'"id"', b":", rb'"([^"\\\x00-\x1f]*)"'),
            *(b",", b'"amount"', b":", rb"(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?)", rb"\}", b""),
        ),
    ),
)
"""One order with nothing escaped, and its amount a plain number: nearly every body."""


class MalformedRecord(ValueError):
    """A record cannot be read as an order's id and amount: syntax, or a part is missing."""


@frozen
class UnknownMember(Violation):
    """A member that an order does not have. Its name may be any text: in words it is quoted."""

    def __str__(self) -> str:
        """Read as a sentence: the quoted name, then what is wrong with it."""
        return f"{json.dumps(self.field)} {self.message}"


@frozen
class Line:
    """What one line of NDJSON or CSV holds.

    Attributes:
        number: Counted from 1; a CSV header is line 1.
        order: The order, or None when there is a problem.
        problem: What is wrong: a `MalformedRecord` or an `InvalidOrder`.
    """

    number: int
    order: Order | None
    problem: MalformedRecord | InvalidOrder | None


@frozen
class Batch:
    """What many lines of NDJSON or CSV hold.

    Attributes:
        rows: The id and the amount of each order, as `OrderStore.load` takes them.
        numbers: The number of the line of each of these.
        problems: The lines that are wrong.
    """

    rows: Sequence[tuple[str, str]]
    numbers: Sequence[int]
    problems: Sequence[Line]


def order_from_json(content: bytes) -> Order:
    """Read `{"id": ..., "amount": ...}`.

    Raises:
        MalformedRecord: It is not strict JSON, not an object, or a member is missing.
        InvalidOrder: A member is unknown, or an id or amount is not acceptable. Of many unknown
            members the first ten are named, and the others counted.
    """
    plain = _PLAIN_OBJECT.fullmatch(content)
    if plain is not None:
        with suppress(UnicodeDecodeError):  # Which is told below.
            return Order.parse(plain[1].decode(), plain[2].decode("ascii"))
    try:
        value = parse(content)
    except InvalidJson as error:
        message = f"not acceptable JSON: {error}"
        raise MalformedRecord(message) from None
    if not isinstance(value, dict):
        message = 'not a JSON object such as {"id": "A-1", "amount": 12.30}'
        raise MalformedRecord(message)
    missing = [name for name in _MEMBERS if name not in value]
    if missing:
        message = f"the object lacks {' and '.join(missing)}"
        raise MalformedRecord(message)
    unknown = _unknown_members([name for name in value if name not in _MEMBERS])
    amount = value["amount"]
    try:
        order = Order.parse(value["id"], amount.text if isinstance(amount, Number) else amount)
    except InvalidOrder as error:
        known = (_in_words_of_json(each, value[each.field]) for each in error.violations)
        raise InvalidOrder(*unknown, *known) from None
    if unknown:
        raise InvalidOrder(*unknown)
    return order


def _unknown_members(names: Sequence[str]) -> list[UnknownMember]:
    """Refuse members, so that the answer stays small whatever the body holds."""
    unknown = [UnknownMember(_shortened(name), _UNKNOWN) for name in names[:_MAX_UNKNOWN]]
    more = len(names) - len(unknown)
    if more:
        unknown[-1] = evolve(unknown[-1], message=f"and {more} more members: each {_UNKNOWN}")
    return unknown


def _shortened(name: str) -> str:
    return name if len(name) <= _MAX_NAME_LENGTH else f"{name[:_MAX_NAME_LENGTH]}..."


def _in_words_of_json(violation: Violation, value: JsonValue) -> Violation:
    """Tell of a value of the wrong type in words of JSON; the core's are Python's."""
    if violation.field == "id" and not isinstance(value, str):
        return Violation("id", f"must be a string, not {_kind(value)}")
    if violation.field == "amount" and not isinstance(value, str | Number):
        wanted = 'a number or a string such as "12.30"'
        return Violation("amount", f"must be {wanted}, not {_kind(value)}")
    return violation


def _kind(value: JsonValue) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, Number):
        return "a number"
    return "an array" if isinstance(value, list) else "an object"


def read_lines(content: BinaryIO, media_type: MediaType) -> Iterator[Line]:
    """Read orders from NDJSON or CSV, line by line and in constant memory.

    Blank lines are passed over. A line that is wrong gives a `Line` with its problem, and the
    reading goes on behind it.

    Args:
        content: The bytes, in UTF-8. CSV (RFC 4180) begins with the line `id,amount` and may
            begin with a byte order mark.
        media_type: `NDJSON` or `CSV`.
    """
    for number, line in enumerate(_bounded_lines(content), start=1):
        read = _read_line(number, line, media_type)
        if read is not None:
            yield read


def _read_line(number: int, line: bytes, media_type: MediaType) -> Line | None:
    """Read one line without its end; give None when it is blank, or the header that is due."""
    header = number == 1 and media_type is MediaType.CSV
    record = line.removeprefix(_BYTE_ORDER_MARK) if header else line
    order_of = _order_of_csv if media_type is MediaType.CSV else order_from_json
    try:
        if len(record) > MAX_LINE_BYTES:
            raise _too_long()
        if header:
            _check_csv_header(record)
        elif record:
            return Line(number, order_of(record), None)
    except (MalformedRecord, InvalidOrder) as error:
        # They would keep the frames that the error went through alive, and so the line.
        error.__context__ = None
        return Line(number, None, error.with_traceback(None))
    return None


def _bounded_lines(content: BinaryIO) -> Iterator[bytes]:
    """Give the lines without their ends; of a longer one only its first `MAX_LINE_BYTES` + 1."""
    while line := _bounded_line(content):
        yield _without_end(line)


def _bounded_line(content: BinaryIO) -> bytes:
    """Read a line; of one that is longer than `MAX_LINE_BYTES` give only its beginning."""
    line = rest = content.readline(MAX_LINE_BYTES + 1)
    while not rest.endswith(b"\n") and len(rest) > MAX_LINE_BYTES:
        rest = content.readline(MAX_LINE_BYTES + 1)
    return line


def _without_end(line: bytes) -> bytes:
    return line.removesuffix(b"\n").removesuffix(b"\r")


def read_batches(content: BinaryIO, media_type: MediaType) -> Iterator[Batch]:
    """Read orders from NDJSON or CSV as `read_lines` does, many lines at a time and much faster.

    What is written plainly is recognised by one regular expression; every other line is read as
    `read_lines` reads it. Both accept the same, and read the same from it.

    Args:
        content: As for `read_lines`.
        media_type: `NDJSON` or `CSV`.
    """
    plain = _PLAIN[media_type]
    number = 1
    if media_type is MediaType.CSV:
        line = _bounded_line(content)
        wrong = _read_line(number, _without_end(line), media_type) if line else None
        number += 1
        if wrong is not None:
            yield Batch((), (), (wrong,))
    while chunk := content.read(BATCH_BYTES):
        if not chunk.endswith(b"\n"):
            chunk += _bounded_line(content)
        if not chunk.endswith(b"\n"):
            # The end of the content, or a line of which the rest was passed over.
            chunk += b"\n"
        count = chunk.count(b"\n")
        # What is no UTF-8 becomes lone surrogates, which no plain line has.
        rows = plain.findall(chunk.decode(errors="surrogateescape"))
        if len(rows) == count:
            yield Batch(rows, range(number, number + count), ())
        else:
            yield _mixed_batch(number, chunk, media_type)
        number += count


def _mixed_batch(first: int, chunk: bytes, media_type: MediaType) -> Batch:
    plain = _PLAIN[media_type]
    rows, numbers, problems = [], [], []
    for number, line in enumerate(chunk.split(b"\n")[:-1], start=first):
        match = plain.fullmatch(line.decode(errors="surrogateescape") + "\n")
        if match is not None:
            rows.append((match[1], match[2]))
            numbers.append(number)
            continue
        read = _read_line(number, line.removesuffix(b"\r"), media_type)
        if read is None:
            continue
        if read.order is None:
            problems.append(read)
        else:
            rows.append((read.order.id.value, str(read.order.amount)))
            numbers.append(number)
    return Batch(rows, numbers, problems)


def _too_long() -> MalformedRecord:
    return MalformedRecord(f"the line is longer than {MAX_LINE_BYTES} bytes")


def _check_csv_header(line: bytes) -> None:
    if line not in _CSV_HEADERS:
        message = f"the first line of CSV must be {CSV_HEADER}"
        raise MalformedRecord(message)


def _order_of_csv(line: bytes) -> Order:
    try:
        (row,) = csv.reader([line.decode()], strict=True)
        order_id, amount = row
    except (UnicodeDecodeError, csv.Error, ValueError):
        message = "not two comma-separated fields of UTF-8, id and amount"
        raise MalformedRecord(message) from None
    return Order.parse(order_id, amount)


def csv_of_json_lines(lines: bytes) -> bytes:
    """Write orders that are lines of JSON, as a store writes them, as rows of CSV.

    The rows have CRLF line ends (RFC 4180). There is no header here: `CSV_HEADER` goes in front
    of the first rows. Cells that begin with `=`, `+`, `-` or `@` are written as they are; a
    spreadsheet may take them for formulas.
    """
    rows = _PLAIN[MediaType.NDJSON].findall(lines.decode())
    if len(rows) < lines.count(b"\n"):
        objects = (json.loads(line, parse_float=str) for line in lines.split(b"\n")[:-1])
        rows = [(each["id"], each["amount"]) for each in objects]
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
