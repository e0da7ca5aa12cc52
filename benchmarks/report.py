"""The results as Markdown."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks.bars import bars
from benchmarks.results import Load, Results

BEGIN: Final = "<!-- `make bench` writes what follows. -->"
END: Final = "<!-- End of what `make bench` writes. -->"

_VERDICTS: Final = {True: "met", False: "**not met**", None: "not measured"}
_SIGNIFICANT: Final = 3


class MissingMarkers(ValueError):
    """A page lacks the markers between which the report goes."""


def insert(report: str, page: Path) -> None:
    """Replace the text between the markers of a page by the report.

    Raises:
        OSError: The page cannot be read or written.
        MissingMarkers: The page lacks a marker, or they are in the wrong order.
    """
    before, begin, rest = page.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        message = f"{page} must contain the lines {BEGIN} and {END}, in this order"
        raise MissingMarkers(message)
    page.write_text(f"{before}{BEGIN}\n\n{report}\n{END}{after}", "utf-8")


def report(results: Results, plot: str | None) -> str:
    """Write the report.

    Args:
        results: The results.
        plot: The link to the plot, relative to the page; None if there is no plot.
    """
    return "\n".join(_lines(results, plot)) + "\n"


def figure(value: float | None) -> str:
    """Format a figure with three significant digits, or with all digits from 1,000 on."""
    if value is None:
        return "-"
    if value >= 10**_SIGNIFICANT:
        return f"{value:,.0f}"
    digits = len(str(int(value))) if value >= 1 else 0
    return f"{value:.{max(0, _SIGNIFICANT - max(1, digits))}f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Write a table with text in the first column and figures in the others."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'|'.join(['---', *['--:'] * (len(head) - 1)])}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def _lines(results: Results, plot: str | None) -> Iterator[str]:
    origin = results.origin
    settings = origin.settings
    yield f"Measured {origin.when} at commit `{origin.commit}`: {settings['rounds']} rounds of"
    yield f"{settings['seconds']} s for each load and server, {settings['workers']} workers each;"
    yield f"medians over the rounds. Failed requests in the whole run: {results.errors}."
    yield ""
    for name, reason in results.absent.items():
        yield f"Not measured: {name}: {reason}."
        yield ""
    if plot is not None:
        yield f"![Requests per second and latency at 32 connections]({plot})"
        yield ""
    yield "### Targets"
    yield ""
    yield from _bar_table(results)
    for load in Load:
        yield f"### {load.value}"
        yield ""
        yield from _load_table(results, load)
    yield "### Growth"
    yield ""
    yield "The median latency of one request on one connection, in milliseconds."
    yield ""
    yield from _growth_table(results)
    yield "### Import and export"
    yield ""
    yield from _transfer_table(results)
    yield "### Start-up, idle CPU, memory"
    yield ""
    yield from _footprint_table(results)
    yield "### The machine"
    yield ""
    yield from _table(["", ""], [(f"{name}", value) for name, value in origin.machine.items()])
    yield ", ".join(f"{name} {version}" for name, version in origin.versions.items()) + "."


def _bar_table(results: Results) -> Iterator[str]:
    rows = []
    for bar in bars(results):
        sign = "at least" if bar.at_least else "at most"
        limit = f"{sign} {bar.limit:g} {bar.unit}"
        found = "-" if bar.found is None else f"{figure(bar.found)} {bar.unit}"
        rows.append((bar.what, limit, found, _VERDICTS[bar.is_met]))
    yield from _table(["", "target", "result", ""], rows)


def _load_table(results: Results, load: Load) -> Iterator[str]:
    head = (
        *("Server", "connections", "req/s", "p50 ms", "p99 ms"),
        *("server CPU µs/req", "PostgreSQL CPU µs/req", "errors"),
    )
    rows = []
    for connections in results.origin.settings["connections"]:
        for name, title in results.titles.items():
            cell = results.cell(name, load, connections)
            if cell is not None:
                figures = (
                    *(cell.requests_per_second, cell.p50_ms, cell.p99_ms),
                    *(cell.server_cpu_us, cell.postgres_cpu_us),
                )
                row = (title, str(connections), *map(figure, figures), str(cell.errors))
                rows.append(row)
    yield from _table(head, rows)


def _growth_table(results: Results) -> Iterator[str]:
    sizes = sorted({each.orders for each in results.growth})
    rows = []
    for what in dict.fromkeys(each.what for each in results.growth):
        found = [results.latency(what, size) for size in sizes]
        cells = [
            "-"
            if each is None
            else figure(each.median_ms) + (f" ({each.errors} errors)" if each.errors else "")
            for each in found
        ]
        rows.append((what, *cells))
    yield from _table(["Request", *(f"{size:,} orders" for size in sizes)], rows)


def _transfer_table(results: Results) -> Iterator[str]:
    rows = []
    sizes = sorted({each.orders for each in results.transfers}, reverse=True)
    for program in dict.fromkeys(each.program for each in results.transfers):
        found = [results.transfer(program, size) for size in sizes]
        rate = [
            figure(size / each.seconds) if each else "-"
            for size, each in zip(sizes, found, strict=True)
        ]
        memory = [figure(each.peak_mib) if each else "-" for each in found]
        rows.append((program, rate[0], *memory))
    memories = (f"peak MiB, {size:,} orders" for size in sizes)
    yield from _table(["Program", "orders/s", *memories], rows)


def _footprint_table(results: Results) -> Iterator[str]:
    head = ("Server", "start-up ms", "idle CPU %", "processes", "largest MiB", "all MiB")
    rows = [
        (
            results.titles[each.server],
            figure(each.start_ms),
            figure(each.idle_cpu_seconds / each.idle_seconds * 100),
            str(len(each.resident_mib)),
            figure(max(each.resident_mib)),
            figure(sum(each.resident_mib)),
        )
        for each in results.footprints
    ]
    yield from _table(head, rows)
