"""Reading orders from NDJSON or CSV: line by line, or many lines at a time."""

from collections.abc import Iterator
from typing import BinaryIO, Final

from orders_core import InvalidOrder
from orders_records.csv_rows import check_header, order_from_csv
from orders_records.json_objects import order_from_json
from orders_records.media_types import MediaType
from orders_records.plain_lines import PLAIN
from orders_records.records import Batch, Line, MalformedRecord

MAX_LINE_BYTES: Final = 8 * 1024
"""No order needs a longer line: 128 characters of JSON escapes take 1,536 bytes."""

BATCH_BYTES: Final = 512 * 1024
"""Bytes that `read_batches` reads at a time, and the rest of a line."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


def read_lines(content: BinaryIO, media_type: MediaType) -> Iterator[Line]:
    """Read orders from NDJSON or CSV, line by line and in constant memory.

    Blank lines are passed over. A line that is wrong gives a `Line` with its problem, and the
    reading goes on behind it.

    Args:
        content: The bytes, in UTF-8. CSV (RFC 4180) begins with the line `id,amount` and may
            begin with a byte order mark.
        media_type: `NDJSON` or `CSV`.
    """
    for number, line in enumerate(_bounded_lines(content), start=1):
        read = _read_line(number, line, media_type)
        if read is not None:
            yield read


def _read_line(number: int, line: bytes, media_type: MediaType) -> Line | None:
    """Read one line without its end; give None when it is blank, or the header that is due."""
    header = number == 1 and media_type is MediaType.CSV
    record = line.removeprefix(_BYTE_ORDER_MARK) if header else line
    order_of = order_from_csv if media_type is MediaType.CSV else order_from_json
    try:
        if len(record) > MAX_LINE_BYTES:
            raise _too_long()
        if header:
            check_header(record)
        elif record:
            return Line(number, order_of(record), None)
    except (MalformedRecord, InvalidOrder) as error:
        # They would keep the frames that the error went through alive, and so the line.
        error.__context__ = None
        return Line(number, None, error.with_traceback(None))
    return None


def _bounded_lines(content: BinaryIO) -> Iterator[bytes]:
    """Give the lines without their ends; of a longer one only its first `MAX_LINE_BYTES` + 1."""
    while line := _bounded_line(content):
        yield _without_end(line)


def _bounded_line(content: BinaryIO) -> bytes:
    """Read a line; of one that is longer than `MAX_LINE_BYTES` give only its beginning."""
    line = rest = content.readline(MAX_LINE_BYTES + 1)
    while not rest.endswith(b"\n") and len(rest) > MAX_LINE_BYTES:
        rest = content.readline(MAX_LINE_BYTES + 1)
    return line


def _without_end(line: bytes) -> bytes:
    return line.removesuffix(b"\n").removesuffix(b"\r")


def read_batches(content: BinaryIO, media_type: MediaType) -> Iterator[Batch]:
    """Read orders from NDJSON or CSV as `read_lines` does, many lines at a time and much faster.

    What is written plainly is recognised by one regular expression; every other line is read as
    `read_lines` reads it. Both accept the same, and read the same from it.

    Args:
        content: As for `read_lines`.
        media_type: `NDJSON` or `CSV`.
    """
    plain = PLAIN[media_type]
    number = 1
    if media_type is MediaType.CSV:
        line = _bounded_line(content)
        wrong = _read_line(number, _without_end(line), media_type) if line else None
        number += 1
        if wrong is not None:
            yield Batch((), (), (wrong,))
    while chunk := content.read(BATCH_BYTES):
        if not chunk.endswith(b"\n"):
            chunk += _bounded_line(content)
        if not chunk.endswith(b"\n"):
            # The end of the content, or a line of which the rest was passed over.
            chunk += b"\n"
        count = chunk.count(b"\n")
        # What is no UTF-8 becomes lone surrogates, which no plain line has.
        rows = plain.findall(chunk.decode(errors="surrogateescape"))
        if len(rows) == count:
            yield Batch(rows, range(number, number + count), ())
        else:
            yield _mixed_batch(number, chunk, media_type)
        number += count


def _mixed_batch(first: int, chunk: bytes, media_type: MediaType) -> Batch:
    plain = PLAIN[media_type]
    rows, numbers, problems = [], [], []
    for number, line in enumerate(chunk.split(b"\n")[:-1], start=first):
        match = plain.fullmatch(line.decode(errors="surrogateescape") + "\n")
        if match is not None:
            rows.append((match[1], match[2]))
            numbers.append(number)
            continue
        read = _read_line(number, line.removesuffix(b"\r"), media_type)
        if read is None:
            continue
        if read.order is None:
            problems.append(read)
        else:
            rows.append((read.order.id.value, str(read.order.amount)))
            numbers.append(number)
    return Batch(rows, numbers, problems)


def _too_long() -> MalformedRecord:
    return MalformedRecord(f"the line is longer than {MAX_LINE_BYTES} bytes")
