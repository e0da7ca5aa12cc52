"""An order as one row of CSV (RFC 4180)."""

import csv
import io
import json
import re
from typing import Final

from orders_core import InvalidOrder, Order, Violation
from orders_records.media_types import MediaType
from orders_records.plain_lines import PLAIN
from orders_records.records import MalformedRecord

CSV_HEADER: Final = "id,amount"

_FIELD: Final = r'(?:"([^"]*(?:""[^"]*)*)"|([^",\r\n]*))'
_TWO_FIELDS: Final = re.compile(f"{_FIELD},{_FIELD}")
_BESIDE_QUOTES: Final = re.compile(r'(?:"[^"]*(?:""[^"]*)*"(?!")|(?!"))([^,]*)(?:,|\Z)')


def fields_of_two(text: str) -> tuple[str, str] | None:
    """Read a row of two fields, each quoted or not; None when it is no such row."""
    row = _TWO_FIELDS.fullmatch(text)
    if row is None:
        return None
    first_quoted, first, second_quoted, second = row.groups()
    return (
        first if first_quoted is None else first_quoted.replace('""', '"'),
        second if second_quoted is None else second_quoted.replace('""', '"'),
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
    row = fields_of_two(text)
    if row is None:
        raise MalformedRecord(_why_not(text))
    try:
        return Order.parse(*row)
    except InvalidOrder as error:
        named = (_naming_line_feeds(each, row[0]) for each in error.violations)
        raise InvalidOrder(*named) from None


def _naming_line_feeds(violation: Violation, order_id: str) -> Violation:
    """Name what is peculiar to CSV: an id that goes on in the next line."""
    if violation.field == "id" and "\n" in order_id:
        return Violation("id", "holds a line feed: its quote closes in a later line")
    return violation


def _why_not(text: str) -> str:
    """Say which rule a row breaks."""
    for field in _BESIDE_QUOTES.finditer(text):
        outside = field[1]
        quoted = field[0].startswith('"')
        if quoted and outside:
            return "text follows the closing quote of a field; double each quote that is inside one"
        if '"' in outside:
            return (
                "a quote is inside a field that is not quoted (RFC 4180, section 2, rule 5); "
                "quote the whole field, and double each quote in it"
            )
        if "\r" in outside:
            return "a carriage return is outside quotes, and ends no line"
    return "not two comma-separated fields, id and amount"


def csv_of_json_lines(lines: bytes) -> bytes:
    """Write orders that are lines of JSON, as a store writes them, as rows of CSV.

    The rows have CRLF line ends (RFC 4180). There is no header here: `CSV_HEADER` goes in front
    of the first rows. Cells that begin with `=`, `+`, `-` or `@` are written as they are; a
    spreadsheet may take them for formulas.
    """
    rows = PLAIN[MediaType.NDJSON].findall(lines.decode())
    if len(rows) < lines.count(b"\n"):
        objects = (json.loads(line, parse_float=str) for line in lines.split(b"\n")[:-1])
        rows = [(each["id"], each["amount"]) for each in objects]
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
