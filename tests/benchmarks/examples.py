"""Invented results of a run."""

from typing import Final

from benchmarks.results import (
    Footprint,
    Growth,
    Load,
    Origin,
    Results,
    Sample,
    Timing,
    Transfer,
)


def sample(
    server: str, *, requests: int, errors: int = 0, load: Load = Load.PLACE, connections: int = 32
) -> Sample:
    """Build a sample of one second."""
    timing = Timing(requests, 1.0, 1.5, 1000 / requests, errors)
    return Sample(server, load, connections, timing, 120.0, 30.0)


RESULTS: Final = Results(
    origin=Origin(
        commit="0123456789ab",
        when="2026-01-02 03:04 UTC",
        machine={"Processor": "a fast one"},
        versions={"Python": "3.11.7"},
        settings={"rounds": 1, "seconds": 1, "workers": 2, "connections": [32]},
    ),
    titles={"orders": "Orders", "fastapi": "FastAPI", "pgbench": "pgbench"},
    absent={"Orders on PyPy": "there is none"},
    samples=[
        sample("orders", requests=2_500),
        sample("fastapi", requests=1_000),
        sample("pgbench", requests=6_251),
    ],
    footprints=[Footprint("orders", 400.0, 0.0, 10.0, [44.9, 12.0])],
    growth=[Growth("the page", 10, 5, 1.0, 0), Growth("the page", 1_000, 5, 1.6, 0)],
    transfers=[
        Transfer("orders import, CSV", 1_000, 2.0, 30.0),
        Transfer(r"psql \copy from CSV", 1_000, 1.0, 10.0),
    ],
)
