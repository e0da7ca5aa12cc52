"""`orders import` and `orders export`: any number of orders in and out, in constant memory."""

import errno
import io
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, Final

from attrs import Factory, define

from orders_cli.exits import Exit
from orders_cli.progress import Progress
from orders_cli.standard_error import tell
from orders_cli.whole_file import replacing
from orders_core import (
    Order,
    OrderRow,
    OrderStore,
    Outcome,
    Reason,
    StoreUnavailable,
    place_each,
    scan_json,
)
from orders_core.characters import quoted
from orders_records import (
    BYTE_ORDER_MARK,
    CSV_HEADER,
    Batch,
    CutOff,
    MediaType,
    NotText,
    Refusal,
    WrongFormat,
    csv_of_json_lines,
    read_batches,
)
from orders_service.config import Config

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BATCH: Final = 2_000
"""Rows that are stored with one commit, where not all are new."""
TOLD: Final = 100
"""Refused rows that are told one by one."""

_STANDARD_STREAM: Final = "-"
_FORMATS: Final = {
    "csv": MediaType.CSV,
    "ndjson": MediaType.NDJSON,
    "json": MediaType.JSON,
}
_BEGINNINGS: Final = {b"{": MediaType.NDJSON, b"[": MediaType.JSON}
_BLANK_BYTES: Final = 64 * 1024
"""Blank lines that are read to see the format; a file that begins with more is no NDJSON."""


@define
class _Tally:
    """What became of the rows so far."""

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
    """Batches, of which the next one may be read before its turn.

    Attributes:
        batches: What reads them.
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
        """Read the next batch, if that has not been done."""
        if self._next is None:
            self._next = next(self.batches, None)


@define
class _Import:
    """What is done with the orders that are read.

    Attributes:
        store: Where they go.
        batches: Where they come from.
        thread: Loads, so that the next batch can be read while the store works.
        progress: Shows how many were read.
        tally: What became of them.
        all_new: Whether the orders that came last were all new, so that the next ones may be.
            A batch that turns out not to be is stored in vain first, and the room that it took
            is lost until PostgreSQL sweeps it.
    """

    store: OrderStore
    batches: _Ahead
    thread: ThreadPoolExecutor
    progress: Progress
    tally: _Tally = Factory(_Tally)
    all_new: bool = True

    def place(self, batch: Batch) -> None:
        """Store the orders of a batch, and tell the lines that were refused."""
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
            # Also when reading is interrupted: what is stored is counted.
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
        """Count what is malformed, and tell all that is refused by its lines."""
        self.tally.malformed += len(malformed)
        refused = [
            *((number, f"line {number}: {problem}") for number, problem in conflicts),
            *((each.first_line, f"{each.place}: {_problem_of(each)}") for each in malformed),
        ]
        left = TOLD - (self.tally.refused - len(refused))
        for _, message in sorted(refused)[: max(0, left)]:
            self.progress.clear()
            tell(message)
        self.progress.show(self.tally.rows)


def _problem_of(refusal: Refusal) -> str:
    """Say what is wrong with a record, and what helps where this command can help."""
    if isinstance(refusal.problem, CutOff):
        return f"{refusal.problem}; if the file is whole, add --whole"
    return str(refusal.problem)


def _parts(batch: Batch) -> Iterator[Batch]:
    """Cut a batch into parts of which each is one commit."""
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
    """Store the orders of a file and tell what became of them.

    Rows are stored in batches, one commit each. A row that is refused is told with its line
    number, the first hundred of them one by one, and stops no other. A CSV file whose first
    line is not its header is refused whole: its columns may be in another order. Of a file that
    was cut off, the records in front of the cut are stored.

    Args:
        config: Where the orders go.
        file: The path of a file, or `-` for standard input.
        format_name: `csv`, `ndjson` or `json`; None sees it from the content.
        whole: Whether the file is known to be whole: then a last row of CSV needs no line end.

    Raises:
        StoreUnavailable: The database went away. What was told as stored is; repeating is safe.
        OSError: The file cannot be read, or standard input is closed.
    """
    with (
        _opened(file) as opened,
        closing(config.database.open()) as store,
        ThreadPoolExecutor(1, "load") as thread,
        Progress(sys.stderr) as progress,
    ):
        # A database that is away is told before any row is; a new file gets its table.
        store.check()
        if format_name is None:
            media_type, content = _seen_format(opened)
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
    if tally.refused > TOLD:
        tell(f"{tally.refused - TOLD:,} more rows were refused")
    tell(str(tally))
    return Exit.REFUSED if tally.refused else Exit.DONE


class _Joined(io.RawIOBase):
    """The beginning of a stream, which was read to look at it, and then its rest."""

    def __init__(self, beginning: bytearray, rest: io.BufferedReader) -> None:
        self._beginning = io.BytesIO(beginning)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        # What is there, without waiting for a buffer full: the writer may be slow.
        return self._beginning.readinto(buffer) or self._rest.readinto1(buffer)


def _opened(file: str) -> io.BufferedReader:
    if file == _STANDARD_STREAM:
        if sys.stdin is None:
            raise OSError(errno.EBADF, "standard input is closed, so there is nothing to import")
        return os.fdopen(sys.stdin.fileno(), "rb", closefd=False)
    return Path(file).open("rb")


def _seen_format(opened: io.BufferedReader) -> tuple[MediaType, BinaryIO]:
    """Tell NDJSON and a JSON array by what their first line begins with, blank lines apart.

    Content that is empty is NDJSON, as an export of no orders writes it. Whole lines are waited
    for: what a pipe holds so far may be blank.

    Returns:
        The format, and the content from its beginning.
    """
    line = opened.readline(_BLANK_BYTES)
    beginning = bytearray(line)
    text = line.removeprefix(BYTE_ORDER_MARK).strip()
    while line and not text and len(beginning) < _BLANK_BYTES:
        line = opened.readline(_BLANK_BYTES)
        beginning += line
        text = line.strip()
    is_empty = not beginning.removeprefix(BYTE_ORDER_MARK)
    media_type = MediaType.NDJSON if is_empty else _BEGINNINGS.get(text[:1], MediaType.CSV)
    return media_type, io.BufferedReader(_Joined(beginning, opened))


def _refuse_file(error: WrongFormat, guess: MediaType | None) -> Exit:
    hint = ""
    if guess is MediaType.CSV and not isinstance(error, NotText):
        hint = " (it was taken for CSV, since NDJSON begins with { and a JSON array with [)"
    tell(f"line 1: {error}{hint}; nothing was stored")
    return Exit.REFUSED


def export_orders(config: Config, output: str | None, format_name: str | None) -> int:
    """Write every order, in ascending order of id.

    Args:
        config: Where the orders are.
        output: The path of a file, which is written whole or not at all; None and `-` are
            standard output.
        format_name: `csv` or `ndjson`; None is CSV when the file's name ends so, else NDJSON.

    Raises:
        StoreUnavailable: The database is not there or went away.
        OSError: The output cannot be written, or standard output is closed.
    """
    to_file = output not in {None, _STANDARD_STREAM}
    if not to_file and sys.stdout is None:
        raise OSError(errno.EBADF, "standard output is closed, so there is nowhere to export to")
    if not config.database.exists:
        message = f"{config.database} does not exist, so there is nothing to export"
        raise StoreUnavailable(Reason.UNREACHABLE, message)
    by_name = "csv" if output and output.lower().endswith(".csv") else "ndjson"
    media_type = _FORMATS[format_name or by_name]
    with closing(config.database.open()) as store, Progress(sys.stderr) as progress:
        if output is not None and to_file:
            with replacing(Path(output)) as file:
                count = _write(store, media_type, file, progress)
        else:
            count = _write_to_standard_output(store, media_type, progress)
    # The count alone shows to an import that nothing was lost on the way.
    tell(f"{count:,} {'order' if count == 1 else 'orders'} written")
    return Exit.DONE


def _write_to_standard_output(
    store: OrderStore,
    media_type: MediaType,
    progress: Progress,
) -> int:
    try:
        return _write(store, media_type, sys.stdout.buffer, progress)
    except BrokenPipeError:
        raise
    except (StoreUnavailable, OSError, KeyboardInterrupt):
        progress.clear()
        tell("the output is incomplete")
        raise


def _write(store: OrderStore, media_type: MediaType, file: IO[bytes], progress: Progress) -> int:
    """Write all orders; return their number."""
    is_csv = media_type is MediaType.CSV
    batches = map(csv_of_json_lines, scan_json(store)) if is_csv else scan_json(store)
    # Read before anything is written: a database that is away leaves no beginning behind.
    first = next(batches, b"")
    if is_csv:
        file.write(f"{CSV_HEADER}\r\n".encode())
    count = 0
    for lines in chain([first], batches):
        file.write(lines)
        count += lines.count(b"\n")
        progress.show(count)
    file.flush()
    return count
