"""The start-up time, idle CPU usage and memory of a server."""

from collections.abc import Iterator, Sequence
from statistics import median
from time import sleep
from typing import Final

from benchmarks.processes import cpu_seconds, resident_bytes
from benchmarks.results import Footprint
from benchmarks.servers import Server

_MIB: Final = 1024 * 1024


def footprints(
    servers: Sequence[Server], *, starts: int, idle_seconds: float
) -> Iterator[Footprint]:
    """Measure servers after their loads, and restart each of them.

    Args:
        servers: The servers; they run before and afterwards.
        starts: How often each is restarted.
        idle_seconds: How long all of them idle first.

    Raises:
        Broken: A server does not start.
    """
    resident = [[size / _MIB for size in resident_bytes(each.pid)] for each in servers]
    before = [cpu_seconds(each.pid) for each in servers]
    sleep(idle_seconds)
    after = [cpu_seconds(each.pid) for each in servers]
    for server, sizes, first, last in zip(servers, resident, before, after, strict=True):
        times = []
        for _ in range(starts):
            server.stop()
            times.append(server.start() * 1_000)
        yield Footprint(server.kind.name, median(times), last - first, idle_seconds, sizes)
