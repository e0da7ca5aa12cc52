"""The size of a run."""

from pathlib import Path

from attrs import frozen


@frozen(kw_only=True)
class Settings:
    """The size of one run.

    Attributes:
        rounds: How often each load runs on each server; the report shows the medians.
        seconds: The duration of a load, in whole seconds.
        warm_up_seconds: The duration of each load on each server before the first round.
        connections: The numbers of keep-alive connections.
        workers: The number of processes per server; Waitress has one.
        stored: The number of orders in each table before the first load.
        growth: The numbers of orders in the tables for which latencies are compared.
        growth_requests: The number of requests for each of these tables.
        growth_seconds: The maximum time for each of them; slow requests are fewer.
        bulk: The number of orders to import and export.
        bulk_rounds: How often they are imported and exported.
        starts: How often each server is started.
        idle_seconds: How long each server idles while its CPU time is measured.
    """

    rounds: int = 3
    seconds: int = 3
    warm_up_seconds: int = 4
    connections: tuple[int, ...] = (1, 32, 256)
    workers: int = 2
    stored: int = 100_000
    growth: tuple[int, ...] = (10_000, 1_000_000, 10_000_000)
    growth_requests: int = 500
    growth_seconds: float = 20.0
    bulk: int = 1_000_000
    bulk_rounds: int = 3
    starts: int = 10
    idle_seconds: float = 10.0


FULL = Settings()
"""What `make bench` measures, in less than 20 minutes."""

QUICK = Settings(
    rounds=1,
    seconds=1,
    warm_up_seconds=1,
    growth=(10_000, 1_000_000),
    growth_requests=100,
    growth_seconds=3.0,
    bulk=100_000,
    bulk_rounds=1,
    starts=3,
    idle_seconds=3.0,
)
"""What `make bench QUICK=1` measures, in less than 3 minutes: too little for comparisons."""

FOLDER = Path(__file__).parent
"""The folder of the benchmarks."""
