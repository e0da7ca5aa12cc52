"""`python -m benchmarks`: measure, or compare two runs. `make bench` runs it."""

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Final

import attrs

from benchmarks.answers import WrongAnswer, check_answers
from benchmarks.bulk import transfers
from benchmarks.compare import compared
from benchmarks.database import fill, open_postgres, stored_id, without_totals
from benchmarks.footprint import footprints
from benchmarks.growth import growth
from benchmarks.load import PAGE, PGBENCH, Target
from benchmarks.origin import describe
from benchmarks.plot import draw
from benchmarks.report import insert, report
from benchmarks.results import Footprint, Growth, Load, Results, Sample
from benchmarks.servers import (
    Kind,
    Server,
    kinds,
    pypy_environment,
    running,
)
from benchmarks.settings import FOLDER, FULL, QUICK, Settings
from tests.postgres_server import PostgresServer

_CHECKOUT: Final = FOLDER.parent
_WARM_CONNECTIONS: Final = 32


def main() -> int:
    """Run the command line and return the exit status."""
    # An exception, so that servers are stopped and folders removed.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(f"stopped by signal {number}"))
    arguments = _parser().parse_args()
    if arguments.command == "compare":
        sys.stdout.write(compared(Results.read(arguments.before), Results.read(arguments.after)))
        return 0
    settings = _settings(arguments)
    arguments.output.mkdir(parents=True, exist_ok=True)
    results = measure(settings, arguments.servers, arguments.environments.resolve())
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    results.write(arguments.output / f"{stamp}-{results.origin.commit}.json")
    draw(results, arguments.output / "plot.svg")
    (arguments.output / "report.md").write_text(report(results, "plot.svg"), "utf-8")
    if arguments.page is not None:
        plot = arguments.page.with_suffix(".svg")
        draw(results, plot)
        insert(report(results, plot.name), arguments.page)
    _say(f"The report is {arguments.output / 'report.md'}")
    if results.errors:
        _say(f"{results.errors} requests failed: a server that fails fast is not fast")
    return 1 if results.errors else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="measure, and write a report")
    run.add_argument("--quick", action="store_true", help="less than 3 minutes")
    run.add_argument("--output", type=Path, default=_CHECKOUT / "artefacts/benchmarks")
    run.add_argument("--page", type=Path, help="the Markdown page to insert the report into")
    run.add_argument(
        "--environments", type=Path, required=True, help="the folder for PyPy's virtual environment"
    )
    run.add_argument(
        "--servers", type=lambda text: text.split(","), help="comma-separated; default: all"
    )
    for field in attrs.fields(Settings):
        many = isinstance(field.default, tuple)
        run.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=_numbers if many else type(field.default),
            help=f"default: {_written(field.default)}",
        )
    compare = commands.add_parser("compare", help="compare the JSON files of two runs")
    compare.add_argument("before", type=Path)
    compare.add_argument("after", type=Path)
    return parser


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


def _written(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _settings(arguments: argparse.Namespace) -> Settings:
    names = [field.name for field in attrs.fields(Settings)]
    given = {name: getattr(arguments, name) for name in names}
    base = QUICK if arguments.quick else FULL
    return attrs.evolve(base, **{name: each for name, each in given.items() if each is not None})


def measure(settings: Settings, names: Sequence[str] | None, environments: Path) -> Results:
    """Measure everything.

    Args:
        settings: The size of the run.
        names: The servers to measure; None for all.
        environments: The folder for PyPy's virtual environment.

    Raises:
        WrongAnswer: A server answers a request wrongly.
        Broken: A server does not start.
        Failed: A load could not be run, or an order was lost.
    """
    pypy, version_or_reason = pypy_environment(_CHECKOUT, environments)
    known = kinds(pypy)
    wanted = {PGBENCH, *(kind.name for kind in known)} if names is None else set(names)
    chosen = [kind for kind in known if kind.name in wanted]
    with open_postgres() as server, TemporaryDirectory(prefix="orders-bench-") as name:
        origin = describe(_CHECKOUT, settings, server)
        if pypy is not None:
            origin.versions["PyPy"] = version_or_reason
        samples, measured = _loads(
            settings, server, chosen, Path(name), with_pgbench=PGBENCH in wanted
        )
        with _step("growth"):
            found = _growth(settings, server, known[0])
        with _step("bulk"):
            moved = list(transfers(server, Path(name), settings.bulk, settings.bulk_rounds))
    titles = {kind.name: kind.title for kind in chosen}
    if PGBENCH in wanted:
        titles[PGBENCH] = "pgbench, the same statements"
    absent = {} if pypy is not None else {"Orders on PyPy": version_or_reason}
    return Results(origin, titles, absent, samples, measured, found, moved)


def _loads(
    settings: Settings,
    server: PostgresServer,
    chosen: Sequence[Kind],
    folder: Path,
    *,
    with_pgbench: bool,
) -> tuple[list[Sample], list[Footprint]]:
    """Run every load on every server in rounds, then measure each idle and starting."""
    random = Random(1)  # noqa: S311 - not for secrets
    with ExitStack() as stack:
        targets = []
        started: list[Server] = []
        for kind in chosen:
            with _step(f"start of {kind.title}"):
                database = server.new_database()
                fill(database, settings.stored)
                if not kind.keeps_totals:
                    without_totals(database)
                running_server = stack.enter_context(running(kind, database, settings.workers))
                _check(running_server)
                started.append(running_server)
                targets.append(Target(database, settings.stored, running_server, folder))
        if with_pgbench:
            database = server.new_database()
            fill(database, settings.stored)
            without_totals(database)
            targets.append(Target(database, settings.stored, None, folder))
        for target in targets:
            target.prepare(random)
        if settings.warm_up_seconds:
            with _step("warm-up"):
                for load in Load:
                    for target in targets:
                        target.run(load, _WARM_CONNECTIONS, settings.warm_up_seconds)
        samples = []
        for number in range(settings.rounds):
            with _step(f"round {number + 1} of {settings.rounds}"):
                samples += _round(settings, targets)
        with _step("start-up, idling, memory"):
            return samples, list(
                footprints(started, starts=settings.starts, idle_seconds=settings.idle_seconds)
            )


def _round(settings: Settings, targets: Sequence[Target]) -> list[Sample]:
    samples = []
    for load in Load:
        for connections in settings.connections:
            for target in targets:
                sample = target.run(load, connections, settings.seconds)
                _say(
                    f"  {load.value:12} {connections:4} {target.name:12} "
                    f"{sample.requests_per_second:8,.0f} req/s  p50 {sample.timing.p50_ms:.2f} "
                    f"p99 {sample.timing.p99_ms:.2f} ms  {sample.timing.errors} errors"
                )
                samples.append(sample)
    return samples


def _check(server: Server) -> None:
    first = 1_000
    ids = [stored_id(first + number) for number in range(1, PAGE + 1)]
    try:
        check_answers(server.kind.title, server.port, server.kind.list_path(stored_id(first)), ids)
    except WrongAnswer:
        _say(server.output())
        raise


def _growth(settings: Settings, server: PostgresServer, kind: Kind) -> Sequence[Growth]:
    return list(
        growth(
            server,
            kind,
            settings.growth,
            workers=settings.workers,
            requests=settings.growth_requests,
            seconds=settings.growth_seconds,
        )
    )


@contextmanager
def _step(what: str) -> Iterator[None]:
    _say(what)
    began = monotonic()
    yield
    _say(f"  {monotonic() - began:.0f} s")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
