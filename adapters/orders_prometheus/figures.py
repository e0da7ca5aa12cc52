"""Figures that several processes write and one of them adds up.

They lie in one piece of anonymous memory that is made before the processes are forked. Each
process writes a part of its own, so that none waits for another; and since the memory is nobody's
own, what a process has counted stays when it dies, and its successor goes on in the same part.

A figure is a double at an address that is a multiple of 8: one load or store of the machine, which
no reader sees half done.
"""

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, product
from mmap import mmap
from threading import RLock
from typing import Final

from attrs import frozen
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.utils import floatToGoString

Labels = tuple[str | int, ...]
"""The values of a series' labels, in the order of their names."""

_CELL_BYTES: Final = 8


@frozen
class Family(ABC):
    """A metric, with every series that it can ever have.

    Attributes:
        name: Its name, without the suffix of its kind.
        meaning: What it tells, as a sentence.
        labels: By each label's name, all its values; their product is the series.
    """

    name: str
    meaning: str
    labels: Mapping[str, Sequence[str | int]] = {}

    @property
    def cells(self) -> int:
        """How many figures one series has."""
        return 1

    @abstractmethod
    def metric(self, series: Mapping[Labels, Sequence[float]]) -> Metric:
        """Write the figures of all series in the words of Prometheus's client."""


@frozen
class Counter(Family):
    """Counts what happened. It never falls, whichever processes come and go."""

    def metric(self, series: Mapping[Labels, Sequence[float]]) -> Metric:
        """Write every series, so that the first increase of each shows too."""
        counter = CounterMetricFamily(self.name, self.meaning, labels=tuple(self.labels))
        for labels, (value,) in series.items():
            counter.add_metric(list(map(str, labels)), value)
        return counter


@frozen
class Gauge(Family):
    """Tells how much there is now. A process begins with none."""

    def metric(self, series: Mapping[Labels, Sequence[float]]) -> Metric:
        """Write every series."""
        gauge = GaugeMetricFamily(self.name, self.meaning, labels=tuple(self.labels))
        for labels, (value,) in series.items():
            gauge.add_metric(list(map(str, labels)), value)
        return gauge


@frozen
class Finding(Gauge):
    """Tells what one process has found out, and is not there until it has.

    Its figures are whether it is known, and what is known.
    """

    @property
    def cells(self) -> int:
        """Two: a value of 0 must differ from none."""
        return 2

    def metric(self, series: Mapping[Labels, Sequence[float]]) -> Metric:
        """Write the series that are known."""
        known = {labels: (value,) for labels, (is_known, value) in series.items() if is_known}
        return super().metric(known)


@frozen
class Histogram(Family):
    """Counts observations by their size.

    Attributes:
        bounds: The upper bounds of the buckets, inclusive and ascending; one more, without a
            bound, takes the rest.
        shown: The series that are shown before their first observation.
    """

    bounds: tuple[float, ...] = ()
    shown: Collection[Labels] = ()

    @property
    def cells(self) -> int:
        """One for each bucket, one for the rest, one for the sum."""
        return len(self.bounds) + 2

    def metric(self, series: Mapping[Labels, Sequence[float]]) -> Metric:
        """Write the series that were observed, and those that are always shown."""
        histogram = HistogramMetricFamily(self.name, self.meaning, labels=tuple(self.labels))
        bounds = [*map(floatToGoString, self.bounds), "+Inf"]
        for labels, (*counts, total) in series.items():
            if any(counts) or labels in self.shown:
                buckets = list(zip(bounds, accumulate(counts), strict=True))
                histogram.add_metric(list(map(str, labels)), buckets, total)
        return histogram


class SharedFigures:
    """The figures of a fixed number of processes."""

    def __init__(self, families: Iterable[Family], processes: int) -> None:
        """Make room for every series of every process, at 0.

        Args:
            families: What is counted and measured.
            processes: How many processes write.
        """
        self._places: dict[str, dict[Labels, int]] = {}
        self._families = tuple(families)
        size = 0
        for family in self._families:
            places = self._places[family.name] = {}
            for labels in product(*family.labels.values()):
                places[labels] = size
                size += family.cells
        memory = memoryview(mmap(-1, size * processes * _CELL_BYTES)).cast("d")
        self._parts = [memory[start * size : (start + 1) * size] for start in range(processes)]

    def part(self, process: int) -> "Figures":
        """Give the part of one process, counted from 0; gauges in it begin at 0.

        It is taken once, in the process that writes it.
        """
        figures = Figures(self._parts[process], self._places)
        for family in self._families:
            if isinstance(family, Gauge):
                for at in self._places[family.name].values():
                    for cell in range(at, at + family.cells):
                        self._parts[process][cell] = 0.0
        return figures

    def collect(self) -> Iterator[Metric]:
        """Add up what all processes have written."""
        totals = list(map(sum, zip(*(part.tolist() for part in self._parts), strict=True)))
        for family in self._families:
            places = self._places[family.name]
            yield family.metric(
                {labels: totals[at : at + family.cells] for labels, at in places.items()},
            )


class Figures:
    """The figures of one process. Safe to share by its threads."""

    def __init__(
        self,
        cells: "memoryview[float]",
        places: Mapping[str, Mapping[Labels, int]],
    ) -> None:
        """Take the memory and, for each series of each family, its first cell in it."""
        self._cells = cells
        self._places = places
        # A generator that is collected may count something while its own thread is counting.
        self._lock = RLock()

    def numbers(self, family: Counter | Gauge) -> Mapping[Labels, "Number"]:
        """Give every series of a counter or a gauge."""
        places = self._places[family.name]
        return {labels: Number(self._cells, self._lock, at) for labels, at in places.items()}

    def findings(self, family: Finding) -> Mapping[Labels, "Found"]:
        """Give every series of what is found out."""
        places = self._places[family.name]
        return {labels: Found(self._cells, at) for labels, at in places.items()}

    def observations(self, family: Histogram) -> Mapping[Labels, "Observations"]:
        """Give every series of a histogram."""
        places, bounds = self._places[family.name], family.bounds
        return {
            labels: Observations(self._cells, self._lock, at, bounds)
            for labels, at in places.items()
        }


class Number:
    """A series of a counter or a gauge, in one process."""

    __slots__ = ("_at", "_cells", "_lock")

    def __init__(self, cells: "memoryview[float]", lock: RLock, at: int) -> None:
        """Take the place in memory."""
        self._cells = cells
        self._lock = lock
        self._at = at

    def add(self, by: float = 1.0) -> None:
        """Let it grow."""
        with self._lock:
            self._cells[self._at] += by

    def set(self, to: float) -> None:
        """Give it a value."""
        self._cells[self._at] = to


class Found:
    """A series of what one process has found out."""

    __slots__ = ("_at", "_cells")

    def __init__(self, cells: "memoryview[float]", at: int) -> None:
        """Take the place in memory."""
        self._cells = cells
        self._at = at

    def set(self, to: float) -> None:
        """Tell what was found."""
        self._cells[self._at + 1] = to
        self._cells[self._at] = 1.0


class Observations:
    """A series of a histogram, in one process."""

    __slots__ = ("_at", "_bounds", "_cells", "_lock", "_sum")

    def __init__(
        self,
        cells: "memoryview[float]",
        lock: RLock,
        at: int,
        bounds: tuple[float, ...],
    ) -> None:
        """Take the place in memory and the buckets' upper bounds."""
        self._cells = cells
        self._lock = lock
        self._at = at
        self._bounds = bounds
        self._sum = at + len(bounds) + 1

    def observe(self, *values: float) -> None:
        """Count observations."""
        cells, at, bounds = self._cells, self._at, self._bounds
        with self._lock:
            for value in values:
                cells[at + bisect_left(bounds, value)] += 1.0
                cells[self._sum] += value
