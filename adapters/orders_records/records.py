"""What is read: one record after the other, each an order or the reason why it is none."""

from collections.abc import Sequence

from attrs import frozen

from orders_core import InvalidOrder, Order


class MalformedRecord(ValueError):
    """A record cannot be read as an order's id and amount: syntax, or a part is missing."""


@frozen
class Line:
    """What one line of NDJSON or CSV holds.

    Attributes:
        number: Counted from 1; a CSV header is line 1.
        order: The order, or None when there is a problem.
        problem: What is wrong: a `MalformedRecord` or an `InvalidOrder`.
    """

    number: int
    order: Order | None
    problem: MalformedRecord | InvalidOrder | None


@frozen
class Batch:
    """What many lines of NDJSON or CSV hold.

    Attributes:
        rows: The id and the amount of each order, as `OrderStore.load` takes them.
        numbers: The number of the line of each of these.
        problems: The lines that are wrong.
    """

    rows: Sequence[tuple[str, str]]
    numbers: Sequence[int]
    problems: Sequence[Line]
