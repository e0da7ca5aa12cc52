"""The metrics: their names, their labels, their independence."""

import re
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from orders_core import Outcome, Reason
from orders_prometheus import Metrics

DOCUMENTATION = Path(__file__).parents[2] / "docs/metrics.md"
ROW = re.compile(r"\| `(?P<name>orders_\w+)` \| (?P<kind>\w+) \| (?P<labels>[^|]*) \|")


def families(metrics: Metrics) -> dict[str, Metric]:
    """Parse the exposition as Prometheus does."""
    parsed = list(text_string_to_metric_families(metrics.exposition().decode()))
    assert len({family.name for family in parsed}) == len(parsed)
    return {family.name: family for family in parsed}


def used() -> Metrics:
    """Give metrics in which every series exists."""
    metrics = Metrics()
    metrics.observe_request("/orders", "GET", 200, 0.004)
    metrics.operations.labels("add").observe(0.1)
    return metrics


def test_a_request_is_counted_by_route_method_and_status() -> None:
    metrics = Metrics()
    metrics.observe_request("/orders", "GET", 200, 0.00390625)
    metrics.observe_request("/orders", "GET", 200, 0.25)
    samples = {
        (sample.name.rpartition("_")[2], sample.labels.get("le")): sample.value
        for sample in families(metrics)["orders_http_request_duration_seconds"].samples
        if {"route": "/orders", "method": "GET", "status": "200"}.items() <= sample.labels.items()
    }
    assert samples["count", None] == 2
    assert samples["sum", None] == 0.25390625
    assert (samples["bucket", "0.005"], samples["bucket", "0.25"]) == (1, 2)


def test_two_services_in_one_process_do_not_meet() -> None:
    first, second = Metrics(), Metrics()
    first.observe_request("/orders", "GET", 200, 0.1)
    assert b'route="/orders"' in first.exposition()
    assert b'route="/orders"' not in second.exposition()


def test_every_outcome_and_every_reason_begins_at_0() -> None:
    parsed = families(Metrics())
    for name, label, values in (
        ("orders_store_orders", "outcome", Outcome),
        ("orders_store_unavailable", "reason", Reason),
    ):
        series = {sample.labels[label]: sample.value for sample in parsed[name].samples}
        assert series == {value.value: 0 for value in values}


def test_the_process_and_the_interpreter_are_told() -> None:
    names = set(families(Metrics()))
    assert {"process_resident_memory_bytes", "process_open_fds", "python_info"} <= names


def test_no_series_tells_when_it_was_created() -> None:
    assert b"_created " not in used().exposition()
    assert b"_created{" not in used().exposition()


def test_the_documentation_names_every_metric_with_its_kind_and_labels() -> None:
    rows = [row for row in map(ROW.match, DOCUMENTATION.read_text("utf-8").splitlines()) if row]
    documented = {
        row["name"]: (row["kind"], set(re.findall(r"`(\w+)`", row["labels"]))) for row in rows
    }
    exposed = {
        f"{family.name}_total" if family.type == "counter" else family.name: (
            family.type,
            {label for sample in family.samples for label in sample.labels} - {"le"},
        )
        for family in families(used()).values()
        if family.name.startswith("orders_")
    }
    assert documented == exposed
