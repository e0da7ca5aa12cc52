"""The forms that orders are read and written in."""

from enum import Enum


class MediaType(Enum):
    """A form of orders. The values are registered media types."""

    JSON = "application/json"
    NDJSON = "application/x-ndjson"
    CSV = "text/csv"
