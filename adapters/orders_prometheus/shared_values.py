"""The values of metrics, in memory that all processes of the service share.

The memory is allocated before the processes are forked. Each process writes its own part, so none
waits for another; and since no process owns the memory, a part keeps its values when its process
dies, and the successor continues with them.

A value is a double at an address that is a multiple of 8. The machine loads or stores it at once,
so no reader sees half a write.
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
    """A metric with all its possible series.

    Attributes:
        name: Its name, without the suffix of its type.
        help: Its help text, a sentence.
        labels: The possible values of each label, by its name; their product is the series.
    """

    name: str
    help: str
    labels: Mapping[str, Sequence[str | int]] = {}

    @property
    def cells(self) -> int:
        """The number of doubles that one series needs."""
        return 1

    @abstractmethod
    def metric(self, series: Mapping[Labels, Sequence[float]]) -> Metric:
        """Convert the values of all series to a metric of Prometheus's client."""


@frozen
class Counter(Family):
    """A number of events. It never falls, even when a process ends."""

    def metric(self, series: Mapping[Labels, Sequence[float]]) -> Metric:
        """Convert every series, so that the first increase of each is visible."""
        counter = CounterMetricFamily(self.name, self.help, labels=tuple(self.labels))
        for labels, (value,) in series.items():
            counter.add_metric(list(map(str, labels)), value)
        return counter


@frozen
class Gauge(Family):
    """A current level. It starts at 0 in each process."""

    def metric(self, series: Mapping[Labels, Sequence[float]]) -> Metric:
        """Convert every series."""
        gauge = GaugeMetricFamily(self.name, self.help, labels=tuple(self.labels))
        for labels, (value,) in series.items():
            gauge.add_metric(list(map(str, labels)), value)
        return gauge


@frozen
class OptionalGauge(Gauge):
    """A level that one process finds out. It has no series until it is set.

    Its two doubles are whether it is set, and its value.
    """

    @property
    def cells(self) -> int:
        """Two, to tell 0 from unset."""
        return 2

    def metric(self, series: Mapping[Labels, Sequence[float]]) -> Metric:
        """Convert the series that are set."""
        known = {labels: (value,) for labels, (is_set, value) in series.items() if is_set}
        return super().metric(known)


@frozen
class Histogram(Family):
    """Observations, counted in buckets.

    Attributes:
        bounds: The inclusive upper bounds of the buckets, ascending, without the last (`+Inf`).
        shown: The series that are exposed before their first observation.
    """

    bounds: tuple[float, ...] = ()
    shown: Collection[Labels] = ()

    @property
    def cells(self) -> int:
        """One for each bucket including `+Inf`, and one for the sum."""
        return len(self.bounds) + 2

    def metric(self, series: Mapping[Labels, Sequence[float]]) -> Metric:
        """Convert the series that have observations or are always shown."""
        histogram = HistogramMetricFamily(self.name, self.help, labels=tuple(self.labels))
        bounds = [*map(floatToGoString, self.bounds), "+Inf"]
        for labels, (*counts, total) in series.items():
            if any(counts) or labels in self.shown:
                buckets = list(zip(bounds, accumulate(counts), strict=True))
                histogram.add_metric(list(map(str, labels)), buckets, total)
        return histogram


class SharedValues:
    """The values of a fixed number of processes."""

    def __init__(self, families: Iterable[Family], processes: int) -> None:
        """Allocate memory for every series of every process, at 0.

        Args:
            families: The metrics.
            processes: The number of processes that write.
        """
        self._offsets: dict[str, dict[Labels, int]] = {}
        self._families = tuple(families)
        size = 0
        for family in self._families:
            offsets = self._offsets[family.name] = {}
            for labels in product(*family.labels.values()):
                offsets[labels] = size
                size += family.cells
        memory = memoryview(mmap(-1, size * processes * _CELL_BYTES)).cast("d")
        self._parts = [memory[start * size : (start + 1) * size] for start in range(processes)]

    def of(self, process: int) -> "ProcessValues":
        """Return the values of one process, with its gauges reset to 0.

        Each process calls this once, after it was forked.

        Args:
            process: Its number, from 0.
        """
        cells = self._parts[process]
        for family in self._families:
            if isinstance(family, Gauge):
                for offset in self._offsets[family.name].values():
                    for cell in range(offset, offset + family.cells):
                        cells[cell] = 0.0
        return ProcessValues(cells, self._offsets)

    def collect(self) -> Iterator[Metric]:
        """Sum the values of all processes."""
        totals = list(map(sum, zip(*(part.tolist() for part in self._parts), strict=True)))
        for family in self._families:
            offsets = self._offsets[family.name]
            yield family.metric(
                {
                    labels: totals[offset : offset + family.cells]
                    for labels, offset in offsets.items()
                },
            )


class ProcessValues:
    """The values of one process. Safe to share between threads."""

    def __init__(
        self,
        cells: "memoryview[float]",
        offsets: Mapping[str, Mapping[Labels, int]],
    ) -> None:
        """Take the memory, and the offset of each series of each family in it."""
        self._cells = cells
        self._offsets = offsets
        # Reentrant: a generator that is collected may count while its own thread is counting.
        self._lock = RLock()

    def numbers(self, family: Counter | Gauge) -> Mapping[Labels, "Number"]:
        """Return every series of a counter or a gauge."""
        offsets = self._offsets[family.name]
        return {
            labels: Number(self._cells, self._lock, offset) for labels, offset in offsets.items()
        }

    def optional_numbers(self, family: OptionalGauge) -> Mapping[Labels, "OptionalNumber"]:
        """Return every series of an optional gauge."""
        offsets = self._offsets[family.name]
        return {labels: OptionalNumber(self._cells, offset) for labels, offset in offsets.items()}

    def buckets(self, family: Histogram) -> Mapping[Labels, "Buckets"]:
        """Return every series of a histogram."""
        offsets, bounds = self._offsets[family.name], family.bounds
        return {
            labels: Buckets(self._cells, self._lock, offset, bounds)
            for labels, offset in offsets.items()
        }


class Number:
    """A series of a counter or a gauge, in one process."""

    __slots__ = ("_cells", "_lock", "_offset")

    def __init__(self, cells: "memoryview[float]", lock: RLock, offset: int) -> None:
        """Take its offset in the memory."""
        self._cells = cells
        self._lock = lock
        self._offset = offset

    def add(self, by: float = 1.0) -> None:
        """Increase it."""
        with self._lock:
            self._cells[self._offset] += by

    def set(self, to: float) -> None:
        """Set it."""
        self._cells[self._offset] = to


class OptionalNumber:
    """A series of an optional gauge, in one process."""

    __slots__ = ("_cells", "_offset")

    def __init__(self, cells: "memoryview[float]", offset: int) -> None:
        """Take its offset in the memory."""
        self._cells = cells
        self._offset = offset

    def set(self, to: float) -> None:
        """Set it; from then on it is exposed."""
        self._cells[self._offset + 1] = to
        self._cells[self._offset] = 1.0


class Buckets:
    """A series of a histogram, in one process."""

    __slots__ = ("_bounds", "_cells", "_lock", "_offset", "_sum")

    def __init__(
        self,
        cells: "memoryview[float]",
        lock: RLock,
        offset: int,
        bounds: tuple[float, ...],
    ) -> None:
        """Take its offset in the memory and the buckets' upper bounds."""
        self._cells = cells
        self._lock = lock
        self._offset = offset
        self._bounds = bounds
        self._sum = offset + len(bounds) + 1

    def observe(self, *values: float) -> None:
        """Count observations."""
        cells, offset, bounds = self._cells, self._offset, self._bounds
        with self._lock:
            for value in values:
                cells[offset + bisect_left(bounds, value)] += 1.0
                cells[self._sum] += value
