"""Import and export of many orders, compared with psql's command `copy`."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter, sleep
from typing import Final

from benchmarks.database import count, environment, psql, stored_id, url
from benchmarks.processes import ended_with_us, peak_resident_bytes
from benchmarks.results import Transfer
from tests.postgres_server import OrdersDatabase, PostgresServer, postgres_programs

IMPORT_CSV: Final = "orders import, CSV"
IMPORT_NDJSON: Final = "orders import, NDJSON"
COPY_IN: Final = r"psql \copy from CSV"
EXPORT_CSV: Final = "orders export, CSV"
EXPORT_NDJSON: Final = "orders export, NDJSON"
COPY_OUT: Final = r"psql \copy to CSV"
SMALL: Final = 10
"""The memory of each program is also measured with the number of orders divided by this."""

_MIB: Final = 1024 * 1024
_POLL_SECONDS: Final = 0.005


class WrongCount(Exception):
    """A program succeeded but did not transfer every order."""


def write_csv(file: Path, orders: int) -> None:
    """Write a CSV file that both `orders import` and psql read."""
    with file.open("w", encoding="utf-8", newline="") as lines:
        lines.write("id,amount\n")
        lines.writelines(f"{order_id},{amount}\n" for order_id, amount in _orders(orders))


def write_ndjson(file: Path, orders: int) -> None:
    """Write an NDJSON file."""
    with file.open("w", encoding="utf-8") as lines:
        lines.writelines(
            f'{{"id":"{order_id}","amount":{amount}}}\n' for order_id, amount in _orders(orders)
        )


def _orders(orders: int) -> Iterator[tuple[str, str]]:
    return (
        (stored_id(number), f"{number % 100_000}.{number % 100:02d}") for number in range(orders)
    )


def transfers(server: PostgresServer, folder: Path, orders: int, rounds: int) -> Iterator[Transfer]:
    """Import and export orders in several rounds, with each program in turn.

    Args:
        server: Where databases are created; each import gets a new one.
        folder: The folder for the files.
        orders: The number of orders.
        rounds: The number of rounds.

    Raises:
        subprocess.CalledProcessError: A program failed.
        WrongCount: A program succeeded but did not transfer every order.
    """
    for size, times in ((orders, rounds), (orders // SMALL, 1)):
        csv, ndjson = folder / f"{size}.csv", folder / f"{size}.ndjson"
        write_csv(csv, size)
        write_ndjson(ndjson, size)
        imports: Mapping[str, Sequence[str | Path]] = {
            IMPORT_CSV: [*_ORDERS, "import", csv],
            IMPORT_NDJSON: [*_ORDERS, "import", ndjson],
            COPY_IN: _copy(f"\\copy orders (id, amount) FROM '{csv}' WITH (FORMAT csv, HEADER)"),
        }
        out = folder / "out"
        exports: Mapping[str, Sequence[str | Path]] = {
            EXPORT_CSV: [*_ORDERS, "export", "--format", "csv", "--output", out],
            EXPORT_NDJSON: [*_ORDERS, "export", "--format", "ndjson", "--output", out],
            COPY_OUT: _copy(
                "\\copy (SELECT id, amount FROM orders ORDER BY id) "  # noqa: S608 - a path of ours
                f"TO '{out}' WITH (FORMAT csv, HEADER)"
            ),
        }
        for _ in range(times):
            yield from _round(server, size, imports, exports, out)


_ORDERS: Final = (Path(sys.executable).parent / "orders",)


def _copy(command: str) -> Sequence[str | Path]:
    return [postgres_programs() / "psql", "--no-psqlrc", "--quiet", "-c", command]


def _round(
    server: PostgresServer,
    orders: int,
    imports: Mapping[str, Sequence[str | Path]],
    exports: Mapping[str, Sequence[str | Path]],
    out: Path,
) -> Iterator[Transfer]:
    for program, command in imports.items():
        database = server.new_database()
        try:
            yield _transfer(program, command, database, orders, lambda: count(database))  # noqa: B023 - called in this iteration
        finally:
            database.drop()
    database = server.new_database()
    try:
        copy_in = imports[COPY_IN]
        subprocess.run(copy_in, check=True, env=environment(database))
        psql(database, "VACUUM (ANALYZE) orders")
        for program, command in exports.items():
            yield _transfer(program, command, database, orders, lambda: _lines(out, program))  # noqa: B023 - called in this iteration
            out.unlink()
    finally:
        database.drop()


def _lines(file: Path, program: str) -> int:
    """Count the orders in a file; CSV has a header."""
    with file.open("rb") as lines:
        return sum(1 for _ in lines) - (program != EXPORT_NDJSON)


def _transfer(
    program: str,
    command: Sequence[str | Path],
    database: OrdersDatabase,
    orders: int,
    transferred: Callable[[], int],
) -> Transfer:
    variables = {**environment(database), "DATABASE_URL": url(database)}
    peak = 0
    started = perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=variables)
    with ended_with_us(process):
        while process.poll() is None:
            peak = max(peak, peak_resident_bytes(process.pid))
            sleep(_POLL_SECONDS)
    seconds = perf_counter() - started
    if process.returncode != os.EX_OK:
        raise subprocess.CalledProcessError(process.returncode, command)
    number = transferred()
    if number != orders:
        message = f"{program} transferred {number} of {orders} orders"
        raise WrongCount(message)
    return Transfer(program, orders, seconds, peak / _MIB)
