"""All fuzz targets, by name."""

from collections.abc import Mapping
from typing import Final

from tests.fuzz import amounts, cursors, heads, json_bodies, lines, urls
from tests.fuzz.target import Target

TARGETS: Final[Mapping[str, Target]] = {
    "amounts": amounts.TARGET,
    "array": lines.ARRAY,
    "csv": lines.CSV,
    "cursors": cursors.TARGET,
    "heads": heads.TARGET,
    "json": json_bodies.TARGET,
    "ndjson": lines.NDJSON,
    "urls": urls.TARGET,
}
