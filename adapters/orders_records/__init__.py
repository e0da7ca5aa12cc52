"""Orders as bytes: one JSON object, lines of them (NDJSON), CSV, or an array; read strictly.

The HTTP interface and the commands `import` and `export` share these forms. Where to look:

- `media_types`: the names of the forms.
- `json_objects` and `strict_json`: one order as JSON, which is also a line of NDJSON.
- `csv_rows` and `record_ends`: one order as CSV, and where a record ends.
- `reader` and `patterns`: reading many orders, fast; `json_array`: reading many from one array.
- `records`: the result of reading: orders and refusals.
- `detection`: which of the formats a file has.
- `diagnosis`: explains content of another form, and says what would help.
"""

from orders_records.csv_rows import CSV_HEADER, csv_of_json_lines
from orders_records.detection import detect_format
from orders_records.json_objects import UnknownMember, order_from_json
from orders_records.media_types import MediaType
from orders_records.reader import BATCH_BYTES, BYTE_ORDER_MARK, read_batches
from orders_records.records import (
    MAX_RECORD_BYTES,
    Batch,
    BatchBuilder,
    CutOff,
    MalformedRecord,
    NotText,
    Refusal,
    WrongFormat,
)

__all__ = [
    "BATCH_BYTES",
    "BYTE_ORDER_MARK",
    "CSV_HEADER",
    "MAX_RECORD_BYTES",
    "Batch",
    "BatchBuilder",
    "CutOff",
    "MalformedRecord",
    "MediaType",
    "NotText",
    "Refusal",
    "UnknownMember",
    "WrongFormat",
    "csv_of_json_lines",
    "detect_format",
    "order_from_json",
    "read_batches",
]
