"""Reading orders of any number from NDJSON, CSV or a JSON array, many at a time."""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import BinaryIO, Final

from attrs import define, field, frozen

from orders_core import FIELDS, InvalidOrder, Order, OrderRow
from orders_records.csv_rows import columns_of, order_from_csv
from orders_records.diagnosis import explain_encoding, explain_header
from orders_records.json_array import read_array
from orders_records.json_objects import NotJson, order_from_json
from orders_records.media_types import MediaType
from orders_records.patterns import PLAIN_NDJSON, plain_csv
from orders_records.record_ends import follow_csv_record, follow_line
from orders_records.records import (
    MAX_RECORD_BYTES,
    MAX_REFUSALS,
    Batch,
    BatchBuilder,
    CutOff,
    MalformedRecord,
    NotText,
    Refusal,
    WrongFormat,
)

BATCH_BYTES: Final = 512 * 1024
"""Bytes that `read_batches` reads at a time, plus the rest of a line."""

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

# One line that is not plain spoils a whole chunk, but only one of its pieces.
_PIECE: Final = 2 * 1024
# A record, and the longest line end.
_WINDOW: Final = MAX_RECORD_BYTES + len(b"\r\n")
_LINE_ENDS: Final = b"\r\n"
_IN_QUOTES: Final = b'"'


@frozen
class _Form:
    """How one form with a record per line differs from the other.

    Attributes:
        plain: Matches an acceptable record with nothing escaped or quoted.
        blank: Matches blank lines.
        may_be_blank: The bytes that a blank line can begin with.
        follow: Finds where a record ends.
        read: Reads one record.
        shows_its_end: Whether a truncated record can never be read as a whole one.
    """

    plain: re.Pattern[str]
    blank: re.Pattern[bytes]
    may_be_blank: bytes
    follow: Callable[[bytes, int, int], tuple[int, bytes]]
    read: Callable[[bytes], Order]
    shows_its_end: bool


_NDJSON: Final = _Form(
    plain=PLAIN_NDJSON,
    # JSON ignores white space.
    blank=re.compile(rb"[ \t\r\n]*\n"),
    may_be_blank=b" \t\r\n",
    follow=follow_line,
    read=order_from_json,
    shows_its_end=True,
)


@cache
def _csv(columns: int) -> _Form:
    return _Form(
        plain=plain_csv(FIELDS, columns),
        # Spaces are part of a field (RFC 4180, section 2, rule 4).
        blank=re.compile(rb"(?:\r?\n){1,1000}"),
        may_be_blank=_LINE_ENDS,
        follow=follow_csv_record,
        read=partial(order_from_csv, columns=columns),
        shows_its_end=False,
    )


def read_batches(
    content: BinaryIO,
    media_type: MediaType,
    *,
    whole: bool,
    size: int = BATCH_BYTES,
) -> Iterator[Batch]:
    """Read orders, in constant memory.

    One regular expression matches plain records; every other record is read separately. A wrong
    record is refused to its end, and reading continues after it:

    - In CSV (RFC 4180) a line feed in quotes does not end a record, and a quote opens a field only
      at its beginning. An unclosed quote extends to the end of the content.
    - A JSON array is read up to its first syntax error.

    A byte order mark at the beginning is skipped. Blank lines are counted.

    Args:
        content: The bytes, in UTF-8. CSV begins with its header.
        media_type: The form: lines of JSON, CSV, or for `JSON` an array.
        whole: Whether the content is known to be complete. If not, a last row of CSV without a
            line end is refused: it may be the beginning of a longer one.
        size: Bytes to read at a time.

    Raises:
        WrongFormat: Before any batch: the content has another form.
    """
    beginning = content.readline(_WINDOW).removeprefix(BYTE_ORDER_MARK)
    encoding = explain_encoding(beginning)
    if encoding is not None:
        raise NotText(encoding)
    if media_type is MediaType.JSON:
        yield from read_array(content, beginning, size)
        return
    if media_type is MediaType.NDJSON:
        yield from _Reader(content, _NDJSON, size, whole).batches(beginning)
        return
    columns = columns_of(_without_end(beginning))
    if columns is None:
        raise WrongFormat(explain_header(beginning))
    if not whole and not beginning.endswith(b"\n"):
        yield Batch((), (), (Refusal(1, 1, _no_line_end("the header")),))
        return
    yield from _Reader(content, _csv(columns), size, whole, number=2).batches(b"")


@define
class _Reader:
    """Reads lines of JSON or CSV.

    Attributes:
        content: The bytes.
        form: Their form.
        size: Bytes to read at a time.
        whole: Whether the content is known to be complete.
        number: The number of the next line.
        pending: The beginning of a record whose end has not been read.
    """

    content: BinaryIO
    form: _Form
    size: int
    whole: bool
    number: int = 1
    pending: bytes = field(default=b"", init=False)

    def batches(self, pending: bytes) -> Iterator[Batch]:
        """Read all batches; the first begins with bytes that were read already."""
        self.pending = pending
        while chunk := self.content.read(self.size):
            if not chunk.endswith(b"\n"):
                chunk += self.content.readline(_WINDOW)
            yield from self._batches_of(self.pending + chunk)
        yield from self._batches_of(self.pending)
        if self.pending:
            yield self._last(self.pending)

    def _batches_of(self, content: bytes) -> Iterator[Batch]:
        """Read content that begins with a record; an incomplete last record stays pending."""
        end = content.rfind(b"\n") + 1
        rows = self._plain_rows(content[:end])
        if not rows:
            yield from self._mixed_batches(content, 0)
            return
        yield Batch(rows, range(self.number, self.number + len(rows)))
        self.number += len(rows)
        yield from self._mixed_batches(content, end)

    def _plain_rows(self, lines: bytes) -> Sequence[OrderRow]:
        """Read lines if all of them are plain; otherwise return nothing."""
        # Invalid UTF-8 becomes lone surrogates, which no plain record contains.
        rows = self.form.plain.findall(lines.decode(errors="surrogateescape"))
        return rows if len(rows) == lines.count(b"\n") else ()

    def _mixed_batches(self, content: bytes, start: int) -> Iterator[Batch]:
        """Read plain pieces at once, and the others record by record."""
        form = self.form
        batch = BatchBuilder()
        self.pending = b""
        piece_end = start
        while start < len(content):
            if start >= piece_end:
                piece_end = content.rfind(b"\n", start, start + _PIECE) + 1
                rows = self._plain_rows(content[start:piece_end])
                if rows:
                    batch.add_lines(self.number, rows)
                    self.number += len(rows)
                    start = piece_end
                    continue
            if content[start] in form.may_be_blank and (blank := form.blank.match(content, start)):
                lines = content.count(b"\n", start, blank.end())
                batch.blank += lines
                self.number += lines
                start = blank.end()
                continue
            end, _ = form.follow(content, start, start + _WINDOW)
            if end:
                self._read(content[start:end], batch)
                start = end
            elif len(content) - start <= _WINDOW:
                self.pending = content[start:]
                break
            else:
                content, start = self._skip(content, start, batch)
            if len(batch.refusals) == MAX_REFUSALS:
                yield batch.batch()
                batch = BatchBuilder()
        if batch.records:
            yield batch.batch()

    def _read(self, record: bytes, batch: BatchBuilder) -> None:
        """Read one record with its line end."""
        number = self.number
        self.number += record.count(b"\n")
        if rows := self._plain_rows(record):
            batch.add_lines(number, rows)
            return
        try:
            batch.add(number, self._row_of(record))
        except (MalformedRecord, InvalidOrder) as error:
            batch.refuse(number, self.number - 1, error)

    def _row_of(self, record: bytes) -> OrderRow:
        content = _without_end(record)
        if len(content) > MAX_RECORD_BYTES:
            raise _too_long()
        return self.form.read(content).row

    def _skip(self, content: bytes, start: int, batch: BatchBuilder) -> tuple[bytes, int]:
        """Refuse a record that is too long, and skip it piece by piece.

        Returns:
            The content read last, and the offset of the next record in it.
        """
        first = self.number
        form = self.form
        beginning = b""
        ends_line = True
        while True:
            if start == len(content):
                content, start = self.content.read(self.size), 0
                if not content:
                    in_quotes = beginning == _IN_QUOTES
                    problem = self._hinting(_never_closed()) if in_quotes else _too_long()
                    batch.refuse(first, self.number - ends_line, problem)
                    return content, start
            piece = beginning + content[start : start + _WINDOW]
            end, same = form.follow(piece, 0, len(piece))
            skipped = (end or len(piece)) - len(beginning)
            self.number += content.count(b"\n", start, start + skipped)
            start += skipped
            if end:
                batch.refuse(first, self.number - 1, _too_long())
                return content, start
            beginning = same
            ends_line = piece.endswith(b"\n")

    def _last(self, record: bytes) -> Batch:
        """Read the last record, without a line end."""
        last = self.number + record.removesuffix(b"\n").count(b"\n")
        ended = record + b"\n"
        batch = BatchBuilder()
        try:
            if self.form.blank.fullmatch(ended):
                batch.blank += 1
            elif self.form.follow(ended, 0, len(ended))[0] < len(ended):
                raise _never_closed()
            elif self.whole or self.form.shows_its_end:
                batch.add(self.number, self._row_of(record))
            else:
                raise _no_line_end("the last row")
        except (InvalidOrder, CutOff) as error:
            batch.refuse(self.number, last, error)
        except MalformedRecord as error:
            # Valid JSON that is not an order is complete.
            may_be_cut_off = isinstance(error, NotJson) or not self.form.shows_its_end
            batch.refuse(self.number, last, self._hinting(error) if may_be_cut_off else error)
        return batch.batch()

    def _hinting(self, problem: MalformedRecord) -> MalformedRecord:
        """Add that the record may be cut off, unless the content is known to be complete."""
        return problem if self.whole else MalformedRecord(f"possibly cut off: {problem}")


def _without_end(record: bytes) -> bytes:
    return record.removesuffix(b"\n").removesuffix(b"\r")


def _too_long() -> MalformedRecord:
    return MalformedRecord(
        f"the record is longer than {MAX_RECORD_BYTES} bytes; is there an unmatched quote?"
    )


def _never_closed() -> MalformedRecord:
    return MalformedRecord("a quote opens a field and is never closed")


def _no_line_end(what: str) -> CutOff:
    return CutOff(f"possibly cut off: {what} has no line end")
