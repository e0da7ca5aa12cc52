"""What the kernel knows of each of the service's processes."""

import os
from collections.abc import Iterator
from functools import partial
from mmap import mmap
from typing import Final, Literal, get_args

from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector

Role = Literal["worker", "parent", "operations"]
"""What a process is for."""

_ROLES: Final[tuple[Role, ...]] = get_args(Role)
_NUMBER_BYTES: Final = 8


class SharedProcesses:
    """Which processes there are, in memory that all of them share."""

    def __init__(self, processes: int) -> None:
        """Make room for a fixed number of processes, none of which is there yet."""
        numbers = memoryview(mmap(-1, 2 * processes * _NUMBER_BYTES)).cast("q")
        self._pids, self._roles = numbers[:processes], numbers[processes:]
        self._collectors = [
            ProcessCollector(pid=partial(self._pids.__getitem__, process), registry=None)
            for process in range(processes)
        ]

    def enter(self, process: int, role: Role) -> None:
        """Say that the calling process is this one, in place of any that was it before."""
        self._roles[process] = _ROLES.index(role)
        self._pids[process] = os.getpid()

    def collect(self) -> Iterator[Metric]:
        """Read the figures of every process that there is, with its name as a label."""
        metrics: dict[str, Metric] = {}
        for process, collector in enumerate(self._collectors):
            role = _ROLES[self._roles[process]]
            name = f"worker-{process}" if role == "worker" else role
            for found in collector.collect() if self._pids[process] else ():
                metric = metrics.setdefault(
                    found.name, Metric(found.name, found.documentation, found.type)
                )
                for sample in found.samples:
                    metric.add_sample(sample.name, {"process": name}, sample.value)
        yield from metrics.values()
