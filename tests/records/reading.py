"""Reads content for the tests, and returns what they compare."""

import io
import re

from attrs import Factory, define

from orders_core import Order
from orders_records import BATCH_BYTES, MediaType, WrongFormat, read_batches

SIZES = (1, 3, 64, 4_096, BATCH_BYTES)
"""Bytes to read at a time; the result must not depend on it."""


@define
class Found:
    """What was read.

    Attributes:
        orders: The orders by the number of their first line; the last of each line.
        in_order: All orders.
        refused: The lines of each refusal, and what is wrong.
        blank: The number of blank lines.
        wrong: Why the content as a whole was refused.
    """

    orders: dict[int, Order] = Factory(dict)
    in_order: list[Order] = Factory(list)
    refused: list[tuple[str, str]] = Factory(list)
    blank: int = 0
    wrong: str | None = None

    @property
    def places(self) -> list[str]:
        return [place for place, _ in self.refused]


def read(
    content: bytes,
    media_type: MediaType,
    *,
    whole: bool = True,
    size: int = BATCH_BYTES,
) -> Found:
    """Read content to its end."""
    found = Found()
    source = io.BytesIO(content)
    try:
        for batch in read_batches(source, media_type, whole=whole, size=size):
            assert len(batch.rows) == len(batch.numbers)
            for number, row in zip(batch.numbers, batch.rows, strict=True):
                # As `OrderStore.load` accepts it.
                assert re.fullmatch(r"[0-9]{1,13}(\.[0-9]{1,2})?", row[1])
                found.orders[number] = Order(*row)
                found.in_order.append(found.orders[number])
            found.refused += [(each.lines, str(each.problem)) for each in batch.refusals]
            found.blank += batch.blank
    except WrongFormat as error:
        found.wrong = str(error)
    return found


def read_alike(content: bytes, media_type: MediaType, *, whole: bool = True) -> Found:
    """Read content in pieces of every size, with the same result."""
    first, *others = (read(content, media_type, whole=whole, size=each) for each in SIZES)
    for other in others:
        assert other == first
    return first
