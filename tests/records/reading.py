"""Reads content for the tests, and gives what there is to compare."""

import io
import re

from attrs import Factory, define

from orders_core import Order
from orders_records import BATCH_BYTES, MediaType, WrongFormat, read_batches

SIZES = (1, 3, 64, 4_096, BATCH_BYTES)
"""Bytes that are read at a time: whatever it is, the result is the same."""


@define
class Found:
    """What some content holds.

    Attributes:
        orders: The orders by the line that each begins in; the last of each line.
        in_order: All of them.
        refused: The place of each refusal, and what is wrong.
        blank: How many lines are blank.
        wrong: Why it is something else as a whole.
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
                # As `OrderStore.load` takes them.
                assert re.fullmatch(r"[0-9]{1,13}(\.[0-9]{1,2})?", row[1])
                found.orders[number] = Order(*row)
                found.in_order.append(found.orders[number])
            found.refused += [(each.lines, str(each.problem)) for each in batch.refusals]
            found.blank += batch.blank
    except WrongFormat as error:
        found.wrong = str(error)
    return found


def read_alike(content: bytes, media_type: MediaType, *, whole: bool = True) -> Found:
    """Read content in pieces of every size, which must give the same."""
    first, *others = (read(content, media_type, whole=whole, size=each) for each in SIZES)
    for other in others:
        assert other == first
    return first
