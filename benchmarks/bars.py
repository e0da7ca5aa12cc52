"""The targets that Orders must meet, each computed from the figures of one run."""

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Final

from attrs import frozen

from benchmarks.bulk import COPY_IN, IMPORT_CSV, IMPORT_NDJSON, SMALL
from benchmarks.growth import HTML_PAGE, LIST, LOOK_UP
from benchmarks.load import PGBENCH
from benchmarks.results import Cell, Load, Results, ratio
from benchmarks.servers import FALCON, FASTAPI, ORDERS, ORDERS_PYPY, WAITRESS

_BUSY: Final = 32
_RATE: Final[Callable[[Cell], float]] = attrgetter("requests_per_second")
_P50: Final[Callable[[Cell], float]] = attrgetter("p50_ms")
_P99: Final[Callable[[Cell], float]] = attrgetter("p99_ms")
_MIB: Final = "MiB"
_TIMES: Final = "x"
# Orders' rate must be at least this many times the other's.
_RATES: Final = (
    (Load.PLACE, FASTAPI, 2.5),
    (Load.PLACE, FALCON, 1.8),
    (Load.PLACE, PGBENCH, 0.4),
    (Load.LOOK_UP, FASTAPI, 2.2),
    (Load.LOOK_UP, FALCON, 1.2),
    (Load.LIST, FASTAPI, 2.8),
    (Load.LIST, FALCON, 1.5),
    (Load.LIST, PGBENCH, 0.3),
)


@frozen
class Bar:
    """A target, and the figure of the run.

    Attributes:
        what: What is compared.
        limit: The smallest or largest figure that meets it.
        at_least: Whether `limit` is the smallest.
        unit: The unit of both figures.
        found: The figure of the run; None if it was not measured.
    """

    what: str
    limit: float
    at_least: bool
    unit: str
    found: float | None

    @property
    def is_met(self) -> bool | None:
        """Whether the unrounded figure meets it; None if it was not measured."""
        if self.found is None:
            return None
        return self.found >= self.limit if self.at_least else self.found <= self.limit


def bars(results: Results) -> Iterator[Bar]:
    """Compare a run with every target."""
    for load, peer, limit in _RATES:
        yield _bar(results, load, (ORDERS, peer), limit)
    yield _bar(results, Load.PLACE, (ORDERS_PYPY, PGBENCH), 0.6)
    for load in Load:
        what = f"{load.value}, p99 at {_BUSY} connections, of FastAPI's"
        found = _compared(results, load, _BUSY, (ORDERS, FASTAPI), _P99)
        yield Bar(what, 0.5, at_least=False, unit=_TIMES, found=found)
    for load in Load:
        what = f"{load.value}, p50 at one connection, of plain Waitress's"
        found = _compared(results, load, 1, (ORDERS, WAITRESS), _P50)
        yield Bar(what, 1.2, at_least=False, unit=_TIMES, found=found)
    yield from _growth_bars(results)
    yield from _bulk_bars(results)
    yield from _footprint_bars(results)


def _bar(results: Results, load: Load, servers: tuple[str, str], limit: float) -> Bar:
    ours, peer = (results.titles.get(name, name) for name in servers)
    what = f"{load.value}, req/s at {_BUSY} connections: {ours} / {peer}"
    found = _compared(results, load, _BUSY, servers, _RATE)
    return Bar(what, limit, at_least=True, unit=_TIMES, found=found)


def _compared(
    results: Results,
    load: Load,
    connections: int,
    servers: tuple[str, str],
    figure: Callable[[Cell], float],
) -> float | None:
    ours, base = (results.cell(server, load, connections) for server in servers)
    return None if ours is None or base is None else ratio(figure(ours), figure(base))


def _growth_bars(results: Results) -> Iterator[Bar]:
    sizes = sorted({each.orders for each in results.growth})
    for what in (LOOK_UP, LIST, HTML_PAGE):
        for size in sizes[1:]:
            ends = (results.latency(what, size), results.latency(what, sizes[0]))
            large, small = (None if each is None else each.median_ms for each in ends)
            told = f"{what}, latency with {size:,} orders, of that with {sizes[0]:,}"
            yield Bar(told, 1.5, at_least=False, unit=_TIMES, found=ratio(large, small))


def _bulk_bars(results: Results) -> Iterator[Bar]:
    orders = max((each.orders for each in results.transfers), default=0)
    copied = results.transfer(COPY_IN, orders)
    for program in (IMPORT_CSV, IMPORT_NDJSON):
        done, small = results.transfer(program, orders), results.transfer(program, orders // SMALL)
        found = None if done is None or copied is None else ratio(copied.seconds, done.seconds)
        yield Bar(f"{program}: rows/s, of {COPY_IN}", 0.6, at_least=True, unit=_TIMES, found=found)
        grown = None if done is None or small is None else ratio(done.peak_mib, small.peak_mib)
        what = f"{program}: memory with {SMALL} times the rows"
        yield Bar(what, 1.1, at_least=False, unit=_TIMES, found=grown)


def _footprint_bars(results: Results) -> Iterator[Bar]:
    found = results.footprint(ORDERS)
    start = None if found is None else found.start_ms
    yield Bar("start-up to the first answer", 500.0, at_least=False, unit="ms", found=start)
    largest = None if found is None else max(found.resident_mib)
    yield Bar("memory of the largest process", 45.0, at_least=False, unit=_MIB, found=largest)
    idle = None if found is None else found.idle_cpu_seconds / found.idle_seconds * 100
    yield Bar("processor time when idle, of one core", 0.5, at_least=False, unit="%", found=idle)
