"""The forms in which orders are read and written."""

from enum import Enum


class MediaType(Enum):
    """A form of orders. The values are media types."""

    JSON = "application/json"
    NDJSON = "application/x-ndjson"
    CSV = "text/csv"
