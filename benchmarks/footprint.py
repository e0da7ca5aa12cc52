"""What a server takes when nobody asks it for anything: start-up, idling, memory."""

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
    """Measure servers that have had their loads; each is stopped and started again.

    Args:
        servers: They run, and do at the end.
        starts: How often each is started.
        idle_seconds: For how long all are left alone at first.

    Raises:
        Broken: One does not start.
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
