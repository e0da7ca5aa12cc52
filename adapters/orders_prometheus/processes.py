"""The kernel's figures of each process of the service: memory, CPU time, open files."""

import os
from collections.abc import Iterator
from functools import partial
from mmap import mmap
from typing import Final, Literal, get_args

from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector

ProcessKind = Literal["worker", "parent", "operations"]

_KINDS: Final[tuple[ProcessKind, ...]] = get_args(ProcessKind)
_NUMBER_BYTES: Final = 8


class SharedProcesses:
    """The running processes, in memory that all of them share."""

    def __init__(self, processes: int) -> None:
        """Allocate memory for a fixed number of processes; none has entered yet."""
        numbers = memoryview(mmap(-1, 2 * processes * _NUMBER_BYTES)).cast("q")
        self._pids, self._kinds = numbers[:processes], numbers[processes:]
        self._collectors = [
            ProcessCollector(pid=partial(self._pids.__getitem__, process), registry=None)
            for process in range(processes)
        ]

    def enter(self, process: int, kind: ProcessKind) -> None:
        """Register the calling process, in place of its predecessor."""
        self._kinds[process] = _KINDS.index(kind)
        self._pids[process] = os.getpid()

    def collect(self) -> Iterator[Metric]:
        """Read the figures of every registered process, labelled with its name."""
        metrics: dict[str, Metric] = {}
        for process, collector in enumerate(self._collectors):
            kind = _KINDS[self._kinds[process]]
            name = f"worker-{process}" if kind == "worker" else kind
            for found in collector.collect() if self._pids[process] else ():
                metric = metrics.setdefault(
                    found.name, Metric(found.name, found.documentation, found.type)
                )
                for sample in found.samples:
                    metric.add_sample(sample.name, {"process": name}, sample.value)
        yield from metrics.values()
