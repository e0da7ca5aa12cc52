"""Parses an exposition as Prometheus does."""

from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from orders_prometheus import SharedMetrics

# The sums of such fractions are exact in any order.
exact_seconds = st.integers(0, 20 * 1024).map(lambda number: number / 1024)


def families(metrics: SharedMetrics) -> dict[str, Metric]:
    """Parse an exposition, and assert that no family is repeated."""
    parsed = list(text_string_to_metric_families(metrics.exposition().decode()))
    assert len({family.name for family in parsed}) == len(parsed)
    return {family.name: family for family in parsed}


def samples(text: str, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    """Return the samples of one name by their sorted labels."""
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def value(metrics: SharedMetrics, name: str, **labels: str) -> float:
    """Return the value of one series."""
    return samples(metrics.exposition().decode(), name)[tuple(sorted(labels.items()))]
