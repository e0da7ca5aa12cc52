"""What is read: batches of orders, and the records that were refused."""

from collections.abc import Sequence
from typing import Final

from attrs import Factory, define, frozen

from orders_core import InvalidOrder, OrderRow

MAX_RECORD_BYTES: Final = 8 * 1024
"""No order needs a longer record: 128 characters of JSON escapes take 1,536 bytes."""


MAX_REFUSALS: Final = 1_000
"""Refusals that a batch may have; then the next one begins, so that their number is bounded."""


class MalformedRecord(ValueError):
    """A record cannot be read as an order's id and amount: syntax, or a part is missing."""


class CutOff(MalformedRecord):
    """The content ends in a row that may have been longer; known to be whole, it is taken."""


class WrongFormat(MalformedRecord):
    """The content as a whole is not in the format that it was taken for; nothing is read of it."""


class NotText(WrongFormat):
    """The content is not text in UTF-8, so it is in none of the formats."""


@frozen
class Refusal:
    """A record that gives no order.

    Attributes:
        first_line: The line that it begins in, counted from 1; the header of CSV is line 1.
        last_line: The line that it ends in.
        problem: What is wrong.
    """

    first_line: int
    last_line: int
    problem: MalformedRecord | InvalidOrder

    @property
    def place(self) -> str:
        """Name the lines in words."""
        if self.first_line == self.last_line:
            return f"line {self.first_line}"
        return f"lines {self.first_line} to {self.last_line}"


@frozen
class Batch:
    """What many records hold.

    Attributes:
        rows: The id and the amount of each order, as `OrderStore.load` takes them.
        numbers: The number of the line that each of these begins in.
        refusals: The records that are wrong, in order.
        blank: How many blank lines there are besides.
    """

    rows: Sequence[OrderRow]
    numbers: Sequence[int]
    refusals: Sequence[Refusal] = ()
    blank: int = 0


@define
class BatchBuilder:
    """A batch that is put together record by record."""

    rows: list[OrderRow] = Factory(list)
    numbers: list[int] = Factory(list)
    refusals: list[Refusal] = Factory(list)
    blank: int = 0

    def add(self, number: int, row: OrderRow) -> None:
        """Add the id and the amount of an order that begins in this line."""
        self.rows.append(row)
        self.numbers.append(number)

    def add_lines(self, number: int, rows: Sequence[OrderRow]) -> None:
        """Add orders that stand in a line each, the first of them in this one."""
        self.rows += rows
        self.numbers += range(number, number + len(rows))

    def add_batch(self, batch: Batch) -> None:
        """Add what another batch holds."""
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
        """Add a record that is wrong, and keep nothing of what was read."""
        # They would keep the frames that the error went through alive, and so the record.
        problem.__context__ = problem.__cause__ = None
        self.refusals.append(Refusal(first_line, last_line, problem.with_traceback(None)))

    @property
    def records(self) -> int:
        """How many records there are, blank lines counted as well."""
        return len(self.rows) + len(self.refusals) + self.blank

    def batch(self) -> Batch:
        """Give what is there now."""
        return Batch(self.rows, self.numbers, self.refusals, self.blank)
