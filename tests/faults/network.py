"""Faults of the network between the service and its database."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from tests.faults.stage import Fault, Stage
from tests.postgres_server import wait_until

LATENCY_SECONDS: Final = 0.2
# The last amount of a batch ends like this now and then; see `Writer`.
AMOUNT: Final = b'.25"}'


@contextmanager
def latency(stage: Stage) -> Iterator[None]:
    """Delay everything, in both directions."""
    stage.proxy.latency = LATENCY_SECONDS
    try:
        stage.traffic.wait_for_orders(8)
        yield
    finally:
        stage.proxy.latency = 0.0


@contextmanager
def drip(stage: Stage) -> Iterator[None]:
    """Deliver the bytes one by one."""
    stage.proxy.drips = True
    try:
        stage.traffic.wait_for_orders(8)
        yield
    finally:
        stage.proxy.drips = False


@contextmanager
def reset_before_commit(stage: Stage) -> Iterator[None]:
    """Reset a connection before the order sent over it arrives."""

    def cut() -> None:
        stage.proxy.cut_before = AMOUNT

    _cut(stage, cut)
    yield


@contextmanager
def reset_after_commit(stage: Stage) -> Iterator[None]:
    """Reset a connection after an order was stored, before the result arrives."""

    def cut() -> None:
        stage.proxy.cut_after = AMOUNT

    _cut(stage, cut)
    yield


@contextmanager
def reset_twice(stage: Stage) -> Iterator[None]:
    """Reset the connection after the commit, and the second attempt's too."""
    for _ in range(5):
        refusals = stage.traffic.refusals
        while stage.traffic.refusals == refusals:
            stage.proxy.cut_after = stage.proxy.cut_before = b'"}'
            stage.traffic.wait_for_orders(1)
    yield


def _cut(stage: Stage, cut: Callable[[], None]) -> None:
    for _ in range(5):
        cuts = stage.proxy.cuts
        cut()
        wait_until(lambda: stage.proxy.cuts > cuts)  # noqa: B023 - at once


@contextmanager
def half_open(stage: Stage) -> Iterator[None]:
    """Accept connections, and never answer on them."""
    stage.proxy.deaf = True
    try:
        stage.proxy.reset_all()
        stage.traffic.wait_for_refusals()
        yield
    finally:
        stage.proxy.deaf = False


@contextmanager
def blackhole(stage: Stage) -> Iterator[None]:
    """Drop everything silently."""
    stage.proxy.silent = True
    try:
        stage.traffic.wait_for_refusals()
        yield
    finally:
        stage.proxy.silent = False


@contextmanager
def refused(stage: Stage) -> Iterator[None]:
    """Refuse every connection to the database's address."""
    stage.proxy.refuses = True
    try:
        stage.proxy.reset_all()
        stage.traffic.wait_for_refusals(10 * len(stage.traffic.writers))
        yield
    finally:
        stage.proxy.refuses = False


NETWORK_FAULTS: Final[tuple[Fault, ...]] = (
    latency,
    drip,
    reset_before_commit,
    reset_after_commit,
    reset_twice,
    half_open,
    blackhole,
    refused,
)
