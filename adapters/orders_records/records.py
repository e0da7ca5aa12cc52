"""The result of reading: batches of orders and of refused records."""

from collections.abc import Sequence
from typing import Final

from attrs import Factory, define, frozen

from orders_core import InvalidOrder, OrderRow

MAX_RECORD_BYTES: Final = 8 * 1024
"""No order needs a longer record: an id of 128 characters, all escaped in JSON, has 1,536 bytes."""

MAX_REFUSALS: Final = 1_000
"""Most refusals in a batch; then the next batch begins."""


class MalformedRecord(ValueError):
    """A record cannot be read as an order: its syntax is wrong, or a part is missing."""


class CutOff(MalformedRecord):
    """The content ends in a row that may be cut off; content known to be complete is accepted."""


class WrongFormat(MalformedRecord):
    """The content as a whole does not have the expected format; none of it is read."""


class NotText(WrongFormat):
    """The content is not text in UTF-8, so it has none of the formats."""


@frozen
class Refusal:
    """A record that is not an acceptable order.

    Attributes:
        first_line: The number of its first line, from 1; the header of CSV is line 1.
        last_line: The number of its last line.
        problem: What is wrong.
    """

    first_line: int
    last_line: int
    problem: MalformedRecord | InvalidOrder

    @property
    def lines(self) -> str:
        """Its lines in words."""
        if self.first_line == self.last_line:
            return f"line {self.first_line}"
        return f"lines {self.first_line} to {self.last_line}"


@frozen
class Batch:
    """The content of many records.

    Attributes:
        rows: The orders, as `OrderStore.load` accepts them.
        numbers: The number of the first line of each order.
        refusals: The wrong records, in order.
        blank: The number of blank lines.
    """

    rows: Sequence[OrderRow]
    numbers: Sequence[int]
    refusals: Sequence[Refusal] = ()
    blank: int = 0


@define
class BatchBuilder:
    """A batch under construction."""

    rows: list[OrderRow] = Factory(list)
    numbers: list[int] = Factory(list)
    refusals: list[Refusal] = Factory(list)
    blank: int = 0

    def add(self, number: int, row: OrderRow) -> None:
        """Add an order that begins on a line."""
        self.rows.append(row)
        self.numbers.append(number)

    def add_lines(self, number: int, rows: Sequence[OrderRow]) -> None:
        """Add orders on consecutive lines, beginning with this one."""
        self.rows += rows
        self.numbers += range(number, number + len(rows))

    def add_batch(self, batch: Batch) -> None:
        """Add the content of another batch."""
        self.rows += batch.rows
        self.numbers += batch.numbers
        self.refusals += batch.refusals
        self.blank += batch.blank

    def refuse(
        self,
        first_line: int,
        last_line: int,
        problem: MalformedRecord | InvalidOrder,
    ) -> None:
        """Add a wrong record, and keep none of its content."""
        # They would keep the frames alive that the error passed through, and so the record.
        problem.__context__ = problem.__cause__ = None
        self.refusals.append(Refusal(first_line, last_line, problem.with_traceback(None)))

    @property
    def records(self) -> int:
        """The number of records, including blank lines."""
        return len(self.rows) + len(self.refusals) + self.blank

    def batch(self) -> Batch:
        """Finish the batch."""
        return Batch(self.rows, self.numbers, self.refusals, self.blank)
