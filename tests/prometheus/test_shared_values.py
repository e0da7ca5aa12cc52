"""Shared values: each process writes its own, and a scrape sums them."""

from threading import Thread
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from orders_prometheus.shared_values import (
    Counter,
    Gauge,
    Histogram,
    OptionalGauge,
    ProcessValues,
    SharedValues,
)
from tests.prometheus.exposition import exact_seconds

COUNTED: Final = Counter("counted", "Counted.", {"kind": ("a", "b")})
LEVEL: Final = Gauge("level", "A level.")
FOUND: Final = OptionalGauge("found", "What was found.", {"kind": ("a", "b")})


@given(
    st.lists(exact_seconds, min_size=1, max_size=8, unique=True).map(sorted),
    st.lists(st.lists(exact_seconds, max_size=8), min_size=1, max_size=4),
)
def test_buckets_are_cumulative_and_their_bounds_inclusive(
    bounds: list[float],
    observed: list[list[float]],
) -> None:
    histogram = Histogram("taken", "Time.", bounds=tuple(bounds), shown={()})
    shared = SharedValues([COUNTED, histogram, LEVEL], len(observed))
    for process, values in enumerate(observed):
        shared.of(process).buckets(histogram)[()].observe(*values)
    (found,) = [metric for metric in shared.collect() if metric.name == "taken"]
    everything = [value for values in observed for value in values]
    expected = [sum(value <= bound for value in everything) for bound in bounds]
    by_name = [(sample.name, sample.labels.get("le"), sample.value) for sample in found.samples]
    buckets = [(le, number) for name, le, number in by_name if name == "taken_bucket"]
    assert [number for _, number in buckets] == [*expected, len(everything)]
    assert [float(le or "") for le, _ in buckets] == [*bounds, float("inf")]
    totals = {name: number for name, _, number in by_name if name != "taken_bucket"}
    assert totals == {"taken_count": len(everything), "taken_sum": sum(everything)}


def values_of_one_process() -> tuple[SharedValues, ProcessValues]:
    shared = SharedValues([COUNTED, LEVEL], 1)
    return shared, shared.of(0)


def shown(shared: SharedValues) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for metric in shared.collect()
        for sample in metric.samples
    }


def test_every_series_of_counters_and_gauges_exists_from_the_start() -> None:
    shared, _ = values_of_one_process()
    assert shown(shared) == {("counted_total", "a"): 0, ("counted_total", "b"): 0, ("level",): 0}


def test_a_counter_continues_from_the_predecessor_of_its_process() -> None:
    shared, first = values_of_one_process()
    first.numbers(COUNTED)["a",].add(2)
    first.numbers(LEVEL)[()].set(5)
    shared.of(0).numbers(COUNTED)["a",].add()
    assert shown(shared) == {("counted_total", "a"): 3, ("counted_total", "b"): 0, ("level",): 0}


def test_a_histogram_shows_the_observed_series_and_the_monitored_ones() -> None:
    labels = {"kind": ("always", "never", "seen")}
    histogram = Histogram("taken", "Time.", labels, bounds=(1.0,), shown={("always",)})
    shared = SharedValues([histogram], 1)
    shared.of(0).buckets(histogram)["seen",].observe(0.5)
    assert {labels for _, labels, *_ in shown(shared)} == {"always", "seen"}


def test_concurrent_threads_lose_no_count() -> None:
    shared, own = values_of_one_process()
    number = own.numbers(COUNTED)["a",]

    def add() -> None:
        for _ in range(20_000):
            number.add()

    threads = [Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shown(shared)["counted_total", "a"] == 80_000


def test_an_optional_gauge_is_exposed_once_set_even_to_0() -> None:
    shared = SharedValues([FOUND], 2)
    first, _ = shared.of(0), shared.of(1)
    assert shown(shared) == {}
    first.optional_numbers(FOUND)["a",].set(0)
    assert shown(shared) == {("found", "a"): 0}
    first.optional_numbers(FOUND)["a",].set(5)
    assert shown(shared) == {("found", "a"): 5}


def test_a_successor_starts_with_unset_optional_gauges() -> None:
    shared = SharedValues([FOUND], 1)
    shared.of(0).optional_numbers(FOUND)["a",].set(5)
    shared.of(0)
    assert shown(shared) == {}
