"""What a run found: plain values that go to a file and come back from it."""

import json
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from statistics import median
from typing import Any

import attrs
from attrs import frozen


class Load(Enum):
    """What the clients of a server ask for. The values are titles."""

    PLACE = "POST"
    LOOK_UP = "GET one"
    LIST = "list of 100"


@frozen
class Timing:
    """What a client saw.

    Attributes:
        requests: Requests that were answered.
        seconds: In how much time.
        p50_ms: The median latency in milliseconds.
        p99_ms: The latency that 99 of 100 requests did not exceed, in milliseconds.
        errors: Requests with another status than 2xx, and failures of connections.
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
        load: What was asked for.
        connections: By how many connections at once.
        timing: What the client saw.
        server_cpu_us: Processor time of the server's processes, in microseconds a request;
            None where PostgreSQL itself is the server.
        postgres_cpu_us: That of PostgreSQL's processes.
    """

    server: str
    load: Load
    connections: int
    timing: Timing
    server_cpu_us: float | None
    postgres_cpu_us: float

    @property
    def requests_per_second(self) -> float:
        """How many requests were answered in a second."""
        return self.timing.requests / self.timing.seconds


@frozen
class Cell:
    """The medians of the samples of one server, load and number of connections.

    Attributes:
        requests_per_second: Requests that were answered.
        p50_ms: The median latency in milliseconds.
        p99_ms: The latency that 99 of 100 requests did not exceed, in milliseconds.
        server_cpu_us: Microseconds a request, or None.
        postgres_cpu_us: Microseconds a request.
        errors: All errors together: here no median hides one.
    """

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    server_cpu_us: float | None
    postgres_cpu_us: float
    errors: int

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> "Cell":
        """Take the medians of at least one sample."""
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
    """What a server takes when nobody asks it for anything.

    Attributes:
        server: The server's name.
        start_ms: From its start to the first answer of `/health`: the median, in milliseconds.
        idle_cpu_seconds: Processor time that it used while left alone.
        idle_seconds: For how long it was left alone.
        resident_mib: Resident memory of each of its processes after all loads, the largest
            first, in MiB.
    """

    server: str
    start_ms: float
    idle_cpu_seconds: float
    idle_seconds: float
    resident_mib: Sequence[float]


@frozen
class Growth:
    """The latency of one request in a table of some size.

    Attributes:
        what: The request.
        orders: How many orders are stored.
        requests: How many requests were timed.
        median_ms: Their median latency in milliseconds.
        errors: Requests with another status than 200.
    """

    what: str
    orders: int
    requests: int
    median_ms: float
    errors: int


@frozen
class Transfer:
    """Many orders in or out by one program.

    Attributes:
        program: What was run.
        orders: How many orders.
        seconds: How long it took.
        peak_mib: The most resident memory that it had, in MiB.
    """

    program: str
    orders: int
    seconds: float
    peak_mib: float


@frozen
class Origin:
    """Where and of what the results are.

    Attributes:
        commit: The commit of this checkout, with `-dirty` when files differ from it.
        when: When the run began, in UTC.
        machine: What the machine is, by what each part is called.
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
    """Everything that a run found.

    Attributes:
        origin: Where and of what it is.
        titles: For each server's name, in the order of the tables, what it is called there.
        absent: Servers that could not be measured, and why.
        samples: Every load of every round.
        footprints: One of each server but pgbench.
        growth: The latencies in tables of growing size.
        transfers: Imports and exports, every round.
    """

    origin: Origin
    titles: dict[str, str]
    absent: dict[str, str]
    samples: Sequence[Sample]
    footprints: Sequence[Footprint]
    growth: Sequence[Growth]
    transfers: Sequence[Transfer]

    def cell(self, server: str, load: Load, connections: int) -> Cell | None:
        """Take the medians of one server, load and number of connections, if it was measured."""
        wanted = (server, load, connections)
        samples = [
            each for each in self.samples if (each.server, each.load, each.connections) == wanted
        ]
        return Cell.of(samples) if samples else None

    def footprint(self, server: str) -> Footprint | None:
        """Find what a server takes, if it was measured."""
        return next((each for each in self.footprints if each.server == server), None)

    def latency(self, what: str, orders: int) -> Growth | None:
        """Find the latency of a request in a table of some size, if it was measured."""
        return next(
            (each for each in self.growth if (each.what, each.orders) == (what, orders)), None
        )

    def transfer(self, program: str, orders: int) -> Transfer | None:
        """Take the medians of what a program did, if it was measured; of the memory the most."""
        found = [
            each for each in self.transfers if (each.program, each.orders) == (program, orders)
        ]
        if not found:
            return None
        seconds = median(each.seconds for each in found)
        return Transfer(program, orders, seconds, max(each.peak_mib for each in found))

    @property
    def errors(self) -> int:
        """How many requests of the whole run failed."""
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
            ValueError: It holds no JSON.
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
    """Give the smallest value that so many of 100 values do not exceed (nearest rank).

    Args:
        sorted_values: At least one value, in ascending order.
        percent: 1 to 100.
    """
    rank = -(-len(sorted_values) * percent // 100)
    return sorted_values[rank - 1]


def ratio(value: float | None, base: float | None) -> float | None:
    """Divide, where both were measured."""
    return None if value is None or not base else value / base
