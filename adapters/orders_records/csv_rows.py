"""An order as one row of CSV (RFC 4180)."""

import csv
import io
import json
from typing import Final

from orders_core import Order
from orders_records.media_types import MediaType
from orders_records.plain_lines import PLAIN
from orders_records.records import MalformedRecord

CSV_HEADER: Final = "id,amount"

# Some programs quote every field.
_CSV_HEADERS: Final = (b"id,amount", b'"id","amount"')


def check_header(line: bytes) -> None:
    """Refuse a first line that is not the header.

    Raises:
        MalformedRecord: It is none.
    """
    if line not in _CSV_HEADERS:
        message = f"the first line of CSV must be {CSV_HEADER}"
        raise MalformedRecord(message)


def order_from_csv(line: bytes) -> Order:
    """Read `id,amount`, either of which may be quoted.

    Raises:
        MalformedRecord: It is not two fields in UTF-8.
        InvalidOrder: The id or the amount is not acceptable.
    """
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
    rows = PLAIN[MediaType.NDJSON].findall(lines.decode())
    if len(rows) < lines.count(b"\n"):
        objects = (json.loads(line, parse_float=str) for line in lines.split(b"\n")[:-1])
        rows = [(each["id"], each["amount"]) for each in objects]
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
