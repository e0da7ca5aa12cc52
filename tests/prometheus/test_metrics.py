"""The metrics: names, labels and independence."""

import platform
import re
from importlib.metadata import version
from pathlib import Path

import pytest

from orders_core import Outcome, Reason
from orders_http.api.routes import NO_ROUTE, PATHS
from orders_prometheus import Metrics, SharedMetrics
from orders_prometheus.metrics import OTHER
from orders_service.composition import REQUEST_LABELS
from tests.prometheus.exposition import families, samples, value

DOCUMENTATION = Path(__file__).parents[2] / "docs/metrics.md"
ROW = re.compile(r"\| `(?P<name>\w+)` \| (?P<kind>\w+) \|(?P<labels>[^|]*)\|")
REQUESTS = "orders_http_request_duration_seconds"


@pytest.fixture
def shared() -> SharedMetrics:
    """The metrics of three processes, none of which has started."""
    return SharedMetrics(3, REQUEST_LABELS)


@pytest.fixture
def metrics(shared: SharedMetrics) -> Metrics:
    """The metrics of the first process."""
    return shared.of(0)


def test_a_request_is_counted_by_route_method_and_status(
    shared: SharedMetrics, metrics: Metrics
) -> None:
    for seconds in (0.00390625, 0.25):
        metrics.request_begun()
        metrics.request_answered("/orders", "GET", 200, seconds)
    series = {"route": "/orders", "method": "GET", "status": "200"}
    assert value(shared, f"{REQUESTS}_count", **series) == 2
    assert value(shared, f"{REQUESTS}_sum", **series) == 0.25390625
    assert value(shared, f"{REQUESTS}_bucket", **series, le="0.005") == 1
    assert value(shared, f"{REQUESTS}_bucket", **series, le="0.25") == 2


def test_a_request_is_in_flight_until_it_is_answered(
    shared: SharedMetrics, metrics: Metrics
) -> None:
    metrics.request_begun()
    metrics.request_begun()
    metrics.request_answered("/orders", "GET", 200, 0.1)
    assert value(shared, "orders_http_requests_in_flight") == 1


def test_unknown_label_values_are_counted_as_other(shared: SharedMetrics, metrics: Metrics) -> None:
    metrics.request_answered("/orders/<script>", "BREW", 418, 0.1)
    other = {"route": "(other)", "method": "(other)", "status": "(other)"}
    assert value(shared, f"{REQUESTS}_count", **other) == 1


def test_series_of_failures_exist_from_the_start(shared: SharedMetrics) -> None:
    for status in ("500", "503"):
        series = {"route": "/orders", "method": "POST", "status": status}
        assert value(shared, f"{REQUESTS}_count", **series) == 0


def test_a_batch_is_counted_with_its_size_and_the_waits_of_its_requests(
    shared: SharedMetrics, metrics: Metrics
) -> None:
    metrics.batch_begun("add", [0.5, 0.25, 0.25])
    metrics.batch_begun("get", [2.0])
    metrics.work_begun(4.0)
    for name, expected in (
        ("orders_http_batch_size_count", {"add": 1, "get": 1}),
        ("orders_http_batch_size_sum", {"add": 3, "get": 1}),
        ("orders_http_queue_wait_seconds_count", {"add": 3, "get": 1, "work": 1}),
        ("orders_http_queue_wait_seconds_sum", {"add": 1, "get": 2, "work": 4}),
    ):
        found = samples(shared.exposition().decode(), name)
        assert found == {(("operation", key),): number for key, number in expected.items()}


def test_the_gauges_of_processes_add_up(shared: SharedMetrics) -> None:
    first, second = shared.of(0), shared.of(1)
    first.connections_open(3)
    second.connections_open(4)
    second.connections_open(2)
    first.breaker(is_open=True)
    second.breaker(is_open=True)
    second.breaker(is_open=False)
    assert value(shared, "orders_http_connections_open") == 5
    assert value(shared, "orders_store_breaker_open") == 1


def test_the_parent_counts_the_workers(shared: SharedMetrics) -> None:
    parent = shared.of(2, "parent")
    parent.workers_running(2)
    parent.workers_running(1)
    parent.worker_restarted()
    assert value(shared, "orders_workers_running") == 1
    assert value(shared, "orders_worker_restarts_total") == 1


def test_the_state_of_the_database_is_exposed_once_it_is_known(
    shared: SharedMetrics, metrics: Metrics
) -> None:
    names = {
        *("orders_store_up", "orders_store_schema_version", "orders_store_schema_version_needed"),
        *("orders_store_disk_free_bytes", "orders_store_disk_size_bytes"),
        "orders_certificate_expiry_timestamp_seconds",
    }
    assert not any(family.samples for name, family in families(shared).items() if name in names)
    metrics.store_up(is_up=False)
    metrics.schema_version(2, 3)
    metrics.certificate_expiry("ca", 2.5e9)
    metrics.disk(0, 4096)
    assert value(shared, "orders_store_up") == 0
    assert value(shared, "orders_store_schema_version") == 2
    assert value(shared, "orders_store_schema_version_needed") == 3
    assert value(shared, "orders_store_disk_free_bytes") == 0
    assert value(shared, "orders_store_disk_size_bytes") == 4096
    expiries = samples(shared.exposition().decode(), "orders_certificate_expiry_timestamp_seconds")
    assert expiries == {(("certificate", "ca"),): 2.5e9}


def test_a_shed_request_is_counted_by_its_reason(shared: SharedMetrics, metrics: Metrics) -> None:
    metrics.request_shed("busy")
    found = samples(shared.exposition().decode(), "orders_http_requests_shed_total")
    assert found == {(("reason", "busy"),): 1, (("reason", "deadline"),): 0}


def test_two_services_in_one_process_are_independent() -> None:
    first, second = SharedMetrics(1), SharedMetrics(1)
    first.of(0).worker_restarted()
    assert value(first, "orders_worker_restarts_total") == 1
    assert value(second, "orders_worker_restarts_total") == 0


def test_every_outcome_and_every_reason_starts_at_0(shared: SharedMetrics) -> None:
    parsed = families(shared)
    for name, label, values in (
        ("orders_store_orders", "outcome", Outcome),
        ("orders_store_unavailable", "reason", Reason),
    ):
        series = {sample.labels[label]: sample.value for sample in parsed[name].samples}
        assert series == {value.value: 0 for value in values}


def test_the_versions_are_exposed(shared: SharedMetrics) -> None:
    assert value(
        shared,
        "orders_build_info",
        version=version("orders-core"),
        python=platform.python_version(),
        implementation=platform.python_implementation(),
    )


def test_the_kernels_figures_are_labelled_by_process(shared: SharedMetrics) -> None:
    for process, kind in enumerate(("worker", "operations", "parent")):
        shared.of(process, kind)  # type: ignore[arg-type]  # a kind
    text = shared.exposition().decode()
    for name in (
        *("process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"),
        "process_start_time_seconds",
    ):
        found = samples(text, name)
        assert found.keys() == {
            (("process", each),) for each in ("worker-0", "operations", "parent")
        }
        assert all(number > 0 for number in found.values())


def test_no_series_exposes_its_creation_time(shared: SharedMetrics, metrics: Metrics) -> None:
    metrics.request_answered("/orders", "GET", 200, 0.1)
    assert b"_created" not in shared.exposition()


def used() -> SharedMetrics:
    """Return metrics in which every family has a series."""
    shared = SharedMetrics(1, REQUEST_LABELS)
    metrics = shared.of(0)
    metrics.request_answered("/orders", "GET", 200, 0.004)
    metrics.store_operation("add", 0.1)
    metrics.batch_begun("add", [0.1])
    metrics.store_up(is_up=True)
    metrics.schema_version(3, 3)
    metrics.certificate_expiry("client", 2e9)
    metrics.disk(1, 2)
    return shared


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
    }
    assert documented == exposed


def test_the_documentation_explains_every_value_of_a_label() -> None:
    text = DOCUMENTATION.read_text("utf-8")
    labels = {
        number
        for family in families(used()).values()
        for sample in family.samples
        for name, number in sample.labels.items()
        if name in {"operation", "outcome", "reason"}
    }
    assert [each for each in sorted(labels) if f"`{each}`" not in text] == []
    values = (NO_ROUTE, *REQUEST_LABELS.methods, OTHER)
    assert [each for each in values if f"`{each}`" not in text] == []
    interface = DOCUMENTATION.with_name("http.md").read_text("utf-8").replace("{id}", "<id>")
    assert [each for each in PATHS if f" {each}`" not in interface] == []
    statuses = REQUEST_LABELS.statuses
    assert len(set(statuses)) == len(statuses)
