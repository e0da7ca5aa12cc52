"""`orders export`: any number of orders, in constant memory."""

import errno
import sys
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import IO, Final

from orders_cli.exits import Exit
from orders_cli.progress import Progress
from orders_cli.standard_error import tell
from orders_cli.whole_file import STANDARD_STREAM, replacing
from orders_core import OrderStore, Reason, StoreUnavailable, scan_json
from orders_records import CSV_HEADER, MediaType, csv_of_json_lines
from orders_service.configuration.settings import Config

_FORMATS: Final = {"csv": MediaType.CSV, "ndjson": MediaType.NDJSON}


def export_orders(config: Config, output: str | None, format_name: str | None) -> int:
    """Write every order, sorted by id.

    Args:
        config: The configuration.
        output: The path of a file, which is written completely or not at all; None and `-` are
            standard output.
        format_name: `csv` or `ndjson`; None is CSV if the file's name ends in .csv, else NDJSON.

    Raises:
        StoreUnavailable: The database does not exist or became unavailable.
        OSError: The output cannot be written, or standard output is closed.
    """
    to_file = output not in {None, STANDARD_STREAM}
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
    # Only the counts of both sides prove that nothing was lost on the way.
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
    # Read first: an unavailable database must not leave a partial output.
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
