"""How much is measured, and for how long."""

from pathlib import Path

from attrs import frozen


@frozen(kw_only=True)
class Settings:
    """The size of one run.

    Attributes:
        rounds: How often each server meets each load; the medians over the rounds count.
        seconds: How long one load lasts, in whole seconds.
        warm_up_seconds: How long each server meets each load before the first round.
        connections: Keep-alive connections that a load keeps busy.
        workers: Processes that each server may have; Waitress has one.
        stored: Orders that stand in each table before the first load.
        growth: Orders in the tables whose look-ups and pages are compared.
        growth_requests: Requests for each of these.
        growth_seconds: For how long at most: a slow one gets fewer requests.
        bulk: Orders that are imported and exported.
        bulk_rounds: How often.
        starts: How often each server is started.
        idle_seconds: For how long each server is left alone, to see what it does then.
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
"""What `make bench QUICK=1` measures, in less than 3 minutes: too little to compare with."""

FOLDER = Path(__file__).parent
"""Where the benchmarks are."""
