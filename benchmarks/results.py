"""The results of a run: plain values that are written to a file and read back."""

import json
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from statistics import median
from typing import Any

import attrs
from attrs import frozen


class Load(Enum):
    """What clients request. The values are titles."""

    PLACE = "POST"
    LOOK_UP = "GET one"
    LIST = "list of 100"


@frozen
class Timing:
    """The measurements of a client.

    Attributes:
        requests: The number of answered requests.
        seconds: The duration of the measurement.
        p50_ms: The median latency in milliseconds.
        p99_ms: The 99th percentile of the latency in milliseconds.
        errors: Requests without a 2xx status, and failed connections.
    """

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    errors: int


@frozen
class Sample:
    """One load on one server.

    Attributes:
        server: The server's name.
        load: What clients requested.
        connections: The number of concurrent connections.
        timing: The measurements of the client.
        server_cpu_us: CPU time of the server's processes, in microseconds per request; None for
            PostgreSQL alone.
        postgres_cpu_us: CPU time of PostgreSQL's processes, in microseconds per request.
    """

    server: str
    load: Load
    connections: int
    timing: Timing
    server_cpu_us: float | None
    postgres_cpu_us: float

    @property
    def requests_per_second(self) -> float:
        """The number of answered requests per second."""
        return self.timing.requests / self.timing.seconds


@frozen
class Cell:
    """The medians of the samples of one server, load and number of connections.

    Attributes:
        requests_per_second: Answered requests per second.
        p50_ms: The median latency in milliseconds.
        p99_ms: The 99th percentile of the latency in milliseconds.
        server_cpu_us: Microseconds per request, or None.
        postgres_cpu_us: Microseconds per request.
        errors: The sum of all errors, because a median could hide some.
    """

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    server_cpu_us: float | None
    postgres_cpu_us: float
    errors: int

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> "Cell":
        """Compute the medians of at least one sample."""
        server_cpu = [each.server_cpu_us for each in samples if each.server_cpu_us is not None]
        return cls(
            median(each.requests_per_second for each in samples),
            median(each.timing.p50_ms for each in samples),
            median(each.timing.p99_ms for each in samples),
            median(server_cpu) if server_cpu else None,
            median(each.postgres_cpu_us for each in samples),
            sum(each.timing.errors for each in samples),
        )


@frozen
class Footprint:
    """The start-up time, idle CPU time and memory of a server.

    Attributes:
        server: The server's name.
        start_ms: The median time from its start to the first answer of `/health`, in milliseconds.
        idle_cpu_seconds: The CPU time that it used while idle.
        idle_seconds: How long it was idle.
        resident_mib: The resident memory of each process after all loads in MiB, largest first.
    """

    server: str
    start_ms: float
    idle_cpu_seconds: float
    idle_seconds: float
    resident_mib: Sequence[float]


@frozen
class Growth:
    """The latency of a request in a table of a given size.

    Attributes:
        what: The request.
        orders: The number of stored orders.
        requests: The number of timed requests.
        median_ms: Their median latency in milliseconds.
        errors: Requests with a status other than 200.
    """

    what: str
    orders: int
    requests: int
    median_ms: float
    errors: int


@frozen
class Transfer:
    """An import or export of many orders.

    Attributes:
        program: The program that ran.
        orders: The number of orders.
        seconds: The duration.
        peak_mib: The peak resident memory in MiB.
    """

    program: str
    orders: int
    seconds: float
    peak_mib: float


@frozen
class Origin:
    """What was measured, where and when.

    Attributes:
        commit: The commit of the checkout, with `-dirty` if files differ from it.
        when: The start of the run, in UTC.
        machine: The properties of the machine.
        versions: The version of each program and library.
        settings: The size of the run.
    """

    commit: str
    when: str
    machine: dict[str, str]
    versions: dict[str, str]
    settings: dict[str, Any]


@frozen
class Results:
    """All results of a run.

    Attributes:
        origin: What was measured, where and when.
        titles: The titles of the servers by name, in the order of the tables.
        absent: The servers that could not be measured, with the reasons.
        samples: Every load in every round.
        footprints: One per server, except pgbench.
        growth: The latencies in tables of growing size.
        transfers: The imports and exports of every round.
    """

    origin: Origin
    titles: dict[str, str]
    absent: dict[str, str]
    samples: Sequence[Sample]
    footprints: Sequence[Footprint]
    growth: Sequence[Growth]
    transfers: Sequence[Transfer]

    def cell(self, server: str, load: Load, connections: int) -> Cell | None:
        """Return the medians for a server, load and number of connections, if measured."""
        wanted = (server, load, connections)
        samples = [
            each for each in self.samples if (each.server, each.load, each.connections) == wanted
        ]
        return Cell.of(samples) if samples else None

    def footprint(self, server: str) -> Footprint | None:
        """Return the footprint of a server, if measured."""
        return next((each for each in self.footprints if each.server == server), None)

    def latency(self, what: str, orders: int) -> Growth | None:
        """Return the latency of a request in a table of a given size, if measured."""
        return next(
            (each for each in self.growth if (each.what, each.orders) == (what, orders)), None
        )

    def transfer(self, program: str, orders: int) -> Transfer | None:
        """Return the median time and the peak memory of a program, if measured."""
        found = [
            each for each in self.transfers if (each.program, each.orders) == (program, orders)
        ]
        if not found:
            return None
        seconds = median(each.seconds for each in found)
        return Transfer(program, orders, seconds, max(each.peak_mib for each in found))

    @property
    def errors(self) -> int:
        """The number of failed requests in the whole run."""
        return sum(each.timing.errors for each in self.samples) + sum(
            each.errors for each in self.growth
        )

    def write(self, file: Path) -> None:
        """Write as JSON."""
        document = attrs.asdict(self, value_serializer=_plain)
        file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, file: Path) -> "Results":
        """Read what `write` wrote.

        Raises:
            OSError: The file cannot be read.
            ValueError: It is not JSON.
            KeyError: It was written by another version of the benchmarks.
        """
        document = json.loads(file.read_text(encoding="utf-8"))
        return cls(
            Origin(**document["origin"]),
            document["titles"],
            document["absent"],
            [_sample(each) for each in document["samples"]],
            [Footprint(**each) for each in document["footprints"]],
            [Growth(**each) for each in document["growth"]],
            [Transfer(**each) for each in document["transfers"]],
        )


def _sample(values: dict[str, Any]) -> Sample:
    typed = {"load": Load(values["load"]), "timing": Timing(**values["timing"])}
    return Sample(**{**values, **typed})


def _plain(_instance: object, _field: object, value: object) -> object:
    return value.value if isinstance(value, Enum) else value


def percentile(sorted_values: Sequence[float], percent: int) -> float:
    """Return the percentile by nearest rank.

    Args:
        sorted_values: At least one value, in ascending order.
        percent: 1 to 100.
    """
    rank = -(-len(sorted_values) * percent // 100)
    return sorted_values[rank - 1]


def ratio(value: float | None, base: float | None) -> float | None:
    """Divide, if both were measured."""
    return None if value is None or not base else value / base
