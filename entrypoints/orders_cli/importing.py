"""`orders import`: any number of orders, in constant memory."""

import errno
import io
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Final

from attrs import Factory, define

from orders_cli.exits import Exit
from orders_cli.progress import Progress
from orders_cli.standard_error import tell
from orders_cli.whole_file import STANDARD_STREAM
from orders_core import Order, OrderRow, OrderStore, Outcome, StoreUnavailable, place_each
from orders_core.characters import quoted
from orders_records import (
    Batch,
    CutOff,
    MediaType,
    NotText,
    Refusal,
    WrongFormat,
    detect_format,
    read_batches,
)
from orders_service.configuration.settings import Config

BATCH: Final = 2_000
"""Rows stored with one commit if not all of them are new."""
REPORTED: Final = 100
"""How many refused rows are reported one by one."""

_FORMATS: Final = {
    "csv": MediaType.CSV,
    "ndjson": MediaType.NDJSON,
    "json": MediaType.JSON,
}


@define
class _Tally:
    """What has become of the rows so far."""

    outcomes: Counter[Outcome] = Factory(Counter)
    malformed: int = 0

    @property
    def rows(self) -> int:
        return self.outcomes.total() + self.malformed

    @property
    def refused(self) -> int:
        return self.outcomes[Outcome.CONFLICT] + self.malformed

    def __str__(self) -> str:
        """Count in words."""
        return (
            f"{self.rows:,} {'order' if self.rows == 1 else 'orders'} read: "
            f"{self.outcomes[Outcome.CREATED]:,} created, "
            f"{self.outcomes[Outcome.REPLAYED]:,} already there, "
            f"{self.outcomes[Outcome.CONFLICT]:,} in conflict, "
            f"{self.malformed:,} malformed"
        )


@define
class _Ahead(Iterator[Batch]):
    """Batches, the next of which can be read ahead.

    Attributes:
        batches: The batches.
    """

    batches: Iterator[Batch]
    _next: Batch | None = None

    def __next__(self) -> Batch:
        self.read()
        batch, self._next = self._next, None
        if batch is None:
            raise StopIteration
        return batch

    def read(self) -> None:
        """Read the next batch, unless it was read already."""
        if self._next is None:
            self._next = next(self.batches, None)


@define
class _Import:
    """An import under way.

    Attributes:
        store: The store.
        batches: The orders to store.
        thread: Loads, so that the next batch can be read while the store works.
        progress: Shows how many orders were read.
        tally: What has become of them.
        all_new: Whether the last batch was all new, so that the next one probably is. If it is not,
            the load was wasted, and PostgreSQL keeps the dead rows until its next vacuum.
    """

    store: OrderStore
    batches: _Ahead
    thread: ThreadPoolExecutor
    progress: Progress
    tally: _Tally = Factory(_Tally)
    all_new: bool = True

    def place(self, batch: Batch) -> None:
        """Store the orders of a batch, and report the refused lines."""
        if not batch.rows:
            self._refuse(batch.refusals, [])
            return
        if self.all_new and self._load(batch.rows):
            self._refuse(batch.refusals, [])
            return
        created = self.tally.outcomes[Outcome.CREATED]
        for part in _parts(batch):
            self._place_each(part)
        created = self.tally.outcomes[Outcome.CREATED] - created
        self.all_new = created == len(batch.rows)

    def _load(self, rows: Sequence[OrderRow]) -> bool:
        """Load rows on the thread, and read the next batch while the store works."""
        loading = self.thread.submit(self.store.load, rows)
        try:
            self.batches.read()
        finally:
            # Even if reading is interrupted, what is stored is counted.
            loaded = loading.result()
            if loaded:
                self.tally.outcomes[Outcome.CREATED] += len(rows)
        return loaded

    def _place_each(self, part: Batch) -> None:
        orders = [Order(*row) for row in part.rows]
        outcomes = place_each(self.store, orders)
        self.tally.outcomes.update(outcomes)
        conflicts = [
            (number, f"order {quoted(order.id.value)} is already stored with another amount")
            for number, order, outcome in zip(part.numbers, orders, outcomes, strict=True)
            if outcome is Outcome.CONFLICT
        ]
        self._refuse(part.refusals, conflicts)

    def _refuse(self, malformed: Sequence[Refusal], conflicts: Sequence[tuple[int, str]]) -> None:
        """Count the malformed records, and report every refused record by its line."""
        self.tally.malformed += len(malformed)
        refused = [
            *((number, f"line {number}: {problem}") for number, problem in conflicts),
            *((each.first_line, f"{each.lines}: {_problem_of(each)}") for each in malformed),
        ]
        left = REPORTED - (self.tally.refused - len(refused))
        for _, message in sorted(refused)[: max(0, left)]:
            self.progress.clear()
            tell(message)
        self.progress.show(self.tally.rows)


def _problem_of(refusal: Refusal) -> str:
    """Describe the problem of a record, and the remedy if there is one."""
    if isinstance(refusal.problem, CutOff):
        return f"{refusal.problem}; if the file is complete, add --whole"
    return str(refusal.problem)


def _parts(batch: Batch) -> Iterator[Batch]:
    """Divide a batch into parts of one commit each."""
    refusals = list(batch.refusals)
    for start in range(0, len(batch.rows), BATCH):
        numbers = batch.numbers[start : start + BATCH]
        passed = [each for each in refusals if each.first_line < numbers[-1]]
        refusals = refusals[len(passed) :]
        yield Batch(batch.rows[start : start + BATCH], numbers, passed)
    yield Batch((), (), refusals)


def import_orders(
    config: Config,
    file: str,
    format_name: str | None,
    *,
    whole: bool = False,
) -> int:
    """Store the orders of a file and report what became of them.

    Rows are stored in batches, one commit each. A refused row is reported with its line number, up
    to the first hundred, and stops no others. A CSV file without its header is refused as a whole:
    its columns may be in another order. Of a cut-off file, the records before the cut are stored.

    Args:
        config: The configuration.
        file: The path of a file, or `-` for standard input.
        format_name: `csv`, `ndjson` or `json`; None detects it from the content.
        whole: Whether the file is known to be complete: a last row of CSV then needs no line end.

    Raises:
        StoreUnavailable: The database became unavailable. Orders reported as stored are stored;
            repeating the import is safe.
        OSError: The file cannot be read, or standard input is closed.
    """
    with (
        _opened(file) as opened,
        closing(config.database.open()) as store,
        ThreadPoolExecutor(1, "load") as thread,
        Progress(sys.stderr) as progress,
    ):
        # An unavailable database is reported before any row; a new SQLite file gets its table.
        store.check()
        if format_name is None:
            media_type, content = detect_format(opened)
        else:
            media_type, content = _FORMATS[format_name], opened
        batches = _Ahead(read_batches(content, media_type, whole=whole))
        importing = _Import(store, batches, thread, progress)
        tally = importing.tally
        try:
            for batch in batches:
                importing.place(batch)
        except WrongFormat as error:
            return _refuse_file(error, media_type if format_name is None else None)
        except (StoreUnavailable, OSError, KeyboardInterrupt):
            progress.clear()
            tell(f"stopped: {tally}")
            tell("what is counted is stored; importing the whole file again is safe")
            raise
    if tally.refused > REPORTED:
        tell(f"{tally.refused - REPORTED:,} more rows were refused")
    tell(str(tally))
    return Exit.REFUSED if tally.refused else Exit.DONE


def _opened(file: str) -> io.BufferedReader:
    if file == STANDARD_STREAM:
        if sys.stdin is None:
            raise OSError(errno.EBADF, "standard input is closed, so there is nothing to import")
        return os.fdopen(sys.stdin.fileno(), "rb", closefd=False)
    return Path(file).open("rb")


def _refuse_file(error: WrongFormat, guess: MediaType | None) -> Exit:
    hint = ""
    if guess is MediaType.CSV and not isinstance(error, NotText):
        hint = " (it was read as CSV, because NDJSON begins with { and a JSON array with [)"
    tell(f"line 1: {error}{hint}; nothing was stored")
    return Exit.REFUSED
