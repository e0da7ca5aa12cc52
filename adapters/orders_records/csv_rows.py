"""An order as one row of CSV (RFC 4180)."""

import csv
import io
import json
import re
from typing import Final

from attrs import evolve

from orders_core import FIELD_NAMES, FIELDS, InvalidOrder, Order, Violation
from orders_records.media_types import MediaType
from orders_records.patterns import PLAIN
from orders_records.records import MalformedRecord

CSV_HEADER: Final = ",".join(FIELD_NAMES)

_FIELD: Final = r'("[^"]*(?:""[^"]*)*"|[^",\r\n]*)'
_ROW: Final = re.compile(",".join([_FIELD] * len(FIELDS)))
_BESIDE_QUOTES: Final = re.compile(r'(?:"[^"]*(?:""[^"]*)*"(?!")|(?!"))([^,]*)(?:,|\Z)')


def split_row(text: str) -> tuple[str, ...] | None:
    """Split a row into its fields, each quoted or not; None when it has others than an order."""
    row = _ROW.fullmatch(text)
    if row is None:
        return None
    return tuple(
        [each[1:-1].replace('""', '"') if each.startswith('"') else each for each in row.groups()]
    )


def order_from_csv(record: bytes) -> Order:
    """Read `id,amount`, either of which may be quoted.

    Args:
        record: The record without its line end.

    Raises:
        MalformedRecord: It is not two fields in UTF-8, or breaks the rules of quotes.
        InvalidOrder: The id or the amount is not acceptable.
    """
    try:
        text = record.decode()
    except UnicodeDecodeError as error:
        wrong = f"byte {error.start} of the row is 0x{record[error.start]:02x}"
        message = f"not UTF-8: {wrong}; convert the content to UTF-8 first"
        raise MalformedRecord(message) from None
    row = split_row(text)
    if row is None:
        raise MalformedRecord(_why_not(text))
    try:
        return Order.parse(*row)
    except InvalidOrder as error:
        values = dict(zip(FIELD_NAMES, row, strict=True))
        named = (_naming_line_feeds(each, values[each.field]) for each in error.violations)
        raise InvalidOrder(*named) from None


def _naming_line_feeds(violation: Violation, value: str) -> Violation:
    """Explain a mistake that only CSV can have: a field that continues in the next line."""
    if "\n" in value:
        return evolve(violation, message="holds a line feed: its quote closes in a later line")
    return violation


def _why_not(text: str) -> str:
    """Say which rule a row breaks."""
    for each in _BESIDE_QUOTES.finditer(text):
        outside = each[1]
        quoted = each[0].startswith('"')
        if quoted and outside:
            return "text follows the closing quote of a field; double each quote that is inside one"
        if '"' in outside:
            return (
                "a quote is inside a field that is not quoted (RFC 4180, section 2, rule 5); "
                "quote the whole field, and double each quote in it"
            )
        if "\r" in outside:
            return "a carriage return is outside quotes, and ends no line"
    return f"not the {len(FIELDS)} comma-separated fields {' and '.join(FIELD_NAMES)}"


def csv_of_json_lines(lines: bytes) -> bytes:
    """Write orders that are lines of JSON, as a store writes them, as rows of CSV.

    The rows have CRLF line ends (RFC 4180). There is no header here: `CSV_HEADER` goes in front
    of the first rows. Cells that begin with `=`, `+`, `-` or `@` are written as they are; a
    spreadsheet may take them for formulas.
    """
    rows = PLAIN[MediaType.NDJSON].findall(lines.decode())
    if len(rows) < lines.count(b"\n"):
        objects = (json.loads(line, parse_float=str) for line in lines.split(b"\n")[:-1])
        rows = [tuple(each[name] for name in FIELD_NAMES) for each in objects]
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
