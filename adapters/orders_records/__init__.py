"""Orders as bytes: one JSON object, lines of them (NDJSON), or CSV; read strictly, written exactly.

The HTTP interface and the commands `import` and `export` share these forms.
"""

from orders_records.batches import BATCH_BYTES, MAX_LINE_BYTES, read_batches, read_lines
from orders_records.csv_rows import CSV_HEADER, csv_of_json_lines
from orders_records.json_objects import UnknownMember, order_from_json
from orders_records.media_types import MediaType
from orders_records.records import Batch, Line, MalformedRecord

__all__ = [
    "BATCH_BYTES",
    "CSV_HEADER",
    "MAX_LINE_BYTES",
    "Batch",
    "Line",
    "MalformedRecord",
    "MediaType",
    "UnknownMember",
    "csv_of_json_lines",
    "order_from_json",
    "read_batches",
    "read_lines",
]
