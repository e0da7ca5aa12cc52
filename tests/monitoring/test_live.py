"""With a service under load, every metric, panel and rule has data."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

import pytest

from monitoring.files import dashboards, rule_file
from monitoring.metrics import exported
from tests.monitoring.expressions import dashboard_expressions, metric_names, rule_expressions
from tests.monitoring.load import load
from tests.monitoring.prometheus import Prometheus, node_exporter, prometheus
from tests.postgres.secure_server import Client, open_secure_server
from tests.postgres_server import wait_until
from tests.service_process import running_service

FACTOR = 60
PATIENCE_SECONDS = 120.0
# Metrics that only Kubernetes exports.
OF_KUBERNETES = {
    "kube_cronjob_created",
    "kube_cronjob_status_last_successful_time",
    "kubelet_volume_stats_available_bytes",
    "kubelet_volume_stats_capacity_bytes",
}


@pytest.fixture(scope="module")
def watching(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that has scraped the service under load for a while.

    One instance uses PostgreSQL over TLS, the other a SQLite file.
    """
    folder = tmp_path_factory.mktemp("watched")
    backup = "orders_backup_last_success_timestamp_seconds"
    (folder / "backup.prom").write_text(f"# TYPE {backup} gauge\n{backup} {time.time()}\n")
    with ExitStack() as stack:
        client = Client(stack.enter_context(open_secure_server()), folder)
        client.prepare()
        service = stack.enter_context(running_service(client.url_text(), {"ORDERS_WORKERS": "2"}))
        other = stack.enter_context(running_service(f"sqlite:///{folder}/orders.db"))
        node = stack.enter_context(node_exporter(folder))
        stack.enter_context(load(service))
        instances = [f"{each.host}:{each.operations_port}" for each in (service, other)]
        targets = {"orders": instances, "node": [node]}
        found = stack.enter_context(prometheus(folder, rule_file(FACTOR), targets))
        # Wait until the shortest windows have values.
        ready = "orders:latency_errors:ratio_rate5m >= 0 and orders:availability_budget_left:ratio"
        wait_until(
            lambda: len(found.query(ready.replace(" and", " and on (job)"))) > 1, PATIENCE_SECONDS
        )
        wait_until(lambda: len(found.query("orders_store_up == 1")) > 1, PATIENCE_SECONDS)
        yield found


def assert_none_remains(found: Callable[[], Sequence[object]]) -> None:
    """Assert that nothing is found, at once or soon: a busy machine may miss a scrape."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (last := found()) and time.monotonic() < deadline:
        time.sleep(1)
    assert last == []


@pytest.mark.parametrize("name", dashboards())
def test_every_panel_has_data(watching: Prometheus, name: str) -> None:
    def empty() -> list[tuple[str, str]]:
        return [
            (title, expression)
            for title, expression in dashboard_expressions(name)
            if not any(math.isfinite(value) for _, value in watching.query(expression))
        ]

    assert_none_remains(empty)


def test_every_metric_in_rules_and_dashboards_is_scraped(watching: Prometheus) -> None:
    asked = set().union(
        *map(metric_names, rule_expressions()),
        *(
            metric_names(expression)
            for name in dashboards()
            for _, expression in dashboard_expressions(name)
        ),
    )
    assert "orders_store_up" in asked
    assert asked - watching.names() == OF_KUBERNETES


def test_every_rule_can_be_evaluated(watching: Prometheus) -> None:
    recorded = {name for name in watching.names() if ":" in name}
    for expression in rule_expressions():
        watching.query(expression)
    assert recorded >= {"orders:availability_errors:ratio_rate1h", "orders:sqlite_disk_free:ratio"}


def test_every_metric_of_the_service_is_documented(watching: Prometheus) -> None:
    documented = {metric.name for metric, _ in exported()}
    scraped = {
        labels["__name__"]
        for labels, _ in watching.query('{job="orders", __name__=~"(orders|process)_[^:]*"}')
    }
    suffixes = ("_bucket", "_count", "_sum", "_total", "_info")
    families = {
        name.removesuffix(next(filter(name.endswith, suffixes), "")) for name in scraped
    } - {name for name in documented if name.endswith("_total")}
    assert families - documented - {name.removesuffix("_total") for name in documented} == set()


def test_a_healthy_service_raises_no_alert(watching: Prometheus) -> None:
    # The tests' certificates expire within a day, and the machine may be slow or full.
    of_the_machine = ("OrdersCertificate", "OrdersLatency", "OrdersPostgresqlDisk", "OrdersSqlite")
    assert_none_remains(
        lambda: [name for name in watching.firing() if not name.startswith(of_the_machine)]
    )
