"""Lines that hold an order with nothing escaped or quoted: most lines of most files."""

import re
from typing import Final

from orders_core import MAX_ID_LENGTH
from orders_core.characters import EDGE_CLASS, UNUSABLE_CLASS
from orders_records.media_types import MediaType


def _plain_id(end: str, also_not: str) -> str:
    """Give the pattern of an id, as `OrderId` has it, that stands in front of an end as it is."""
    characters = rf'[^"\\{also_not}{UNUSABLE_CLASS}]'
    edge = f"[{EDGE_CLASS}]"
    return rf"(?!{edge}|\.{{1,2}}{end})({characters}{{1,{MAX_ID_LENGTH}}})(?<!{edge}){end}"


# As `Amount` has it: not more than 13 digits, and nothing to round.
_PLAIN_AMOUNT: Final = r"((?:0|[1-9][0-9]{0,12})(?:\.[0-9]{1,2})?)"
PLAIN: Final = {
    MediaType.NDJSON: re.compile(
        rf"""^\{{"id": ?"{_plain_id('"', "")}, ?"amount": ?{_PLAIN_AMOUNT}\}}\r?\n""",
        re.MULTILINE,
    ),
    MediaType.CSV: re.compile(rf"^{_plain_id(',', ',')}{_PLAIN_AMOUNT}\r?\n", re.MULTILINE),
}
"""The pattern of such a line; its groups are the id and the amount."""
