"""An order as one row of CSV (RFC 4180)."""

import csv
import io
import json
import re
from collections.abc import Sequence
from functools import cache
from typing import Final

from attrs import evolve

from orders_core import FIELD_NAMES, FIELDS, InvalidOrder, Order, Violation
from orders_records.patterns import PLAIN_NDJSON
from orders_records.records import MalformedRecord

CSV_HEADER: Final = ",".join(FIELD_NAMES)

_FIELD: Final = r'("[^"]*(?:""[^"]*)*"|[^",\r\n]*)'
_BESIDE_QUOTES: Final = re.compile(r'(?:"[^"]*(?:""[^"]*)*"(?!")|(?!"))([^,]*)(?:,|\Z)')


def columns_of(header: bytes) -> int | None:
    """Count the columns that a header names; None when it is not a header of orders.

    Args:
        header: The first line, without its line end.
    """
    for columns in range(len(FIELDS), 0, -1):
        names = _split_row(header.decode(errors="replace"), columns)
        if names == FIELD_NAMES[:columns] and not any(f.is_required for f in FIELDS[columns:]):
            return columns
    return None


def _split_row(text: str, columns: int) -> tuple[str, ...] | None:
    """Split a row into its fields, each quoted or not; None when it has more or fewer."""
    row = _row_pattern(columns).fullmatch(text)
    if row is None:
        return None
    return tuple(
        [each[1:-1].replace('""', '"') if each.startswith('"') else each for each in row.groups()]
    )


@cache
def _row_pattern(columns: int) -> re.Pattern[str]:
    return re.compile(",".join([_FIELD] * columns))


def order_from_csv(record: bytes, columns: int) -> Order:
    """Read a row such as `A-1,12.30`, whose fields may be quoted.

    Args:
        record: The record without its line end.
        columns: The number of fields that it must have.

    Raises:
        MalformedRecord: It has more or fewer fields, is not UTF-8, or breaks the rules of quotes.
        InvalidOrder: The id or the amount is not acceptable.
    """
    try:
        text = record.decode()
    except UnicodeDecodeError as error:
        wrong = f"byte {error.start} of the row is 0x{record[error.start]:02x}"
        message = f"not UTF-8: {wrong}; convert the content to UTF-8 first"
        raise MalformedRecord(message) from None
    row = _split_row(text, columns)
    if row is None:
        raise MalformedRecord(_why_not(text, FIELD_NAMES[:columns]))
    try:
        return Order.parse(*row)
    except InvalidOrder as error:
        values = dict(zip(FIELD_NAMES, row, strict=False))
        named = (_naming_line_feeds(each, values[each.field]) for each in error.violations)
        raise InvalidOrder(*named) from None


def _naming_line_feeds(violation: Violation, value: str) -> Violation:
    """Explain a mistake that only CSV can have: a field that continues in the next line."""
    if "\n" in value:
        return evolve(violation, message="contains a line feed: its quote closes in a later line")
    return violation


def _why_not(text: str, names: Sequence[str]) -> str:
    """Say which rule of CSV a row breaks."""
    for each in _BESIDE_QUOTES.finditer(text):
        outside = each[1]
        quoted = each[0].startswith('"')
        if quoted and outside:
            return "text follows the closing quote of a field; double each quote inside a field"
        if '"' in outside:
            return (
                "a field that is not quoted contains a quote (RFC 4180, section 2, rule 5); "
                "quote the whole field, and double each quote in it"
            )
        if "\r" in outside:
            return "a carriage return outside quotes does not end a line"
    return f"not the {len(names)} comma-separated fields {' and '.join(names)}"


def csv_of_json_lines(lines: bytes) -> bytes:
    """Convert lines of JSON, as a store writes them, to rows of CSV.

    The rows have CRLF line ends (RFC 4180) and no header: write `CSV_HEADER` before the first one.
    Cells that begin with `=`, `+`, `-` or `@` are written unchanged; a spreadsheet may read them
    as formulas.
    """
    rows = PLAIN_NDJSON.findall(lines.decode())
    if len(rows) < lines.count(b"\n"):
        objects = (json.loads(line, parse_float=str) for line in lines.split(b"\n")[:-1])
        rows = [tuple(map(each.get, FIELD_NAMES)) for each in objects]
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
