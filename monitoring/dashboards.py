"""The two dashboards: the service, and its PostgreSQL."""

import json
from collections.abc import Sequence
from itertools import count
from typing import Final

from attrs import frozen
from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from monitoring.alerts import BACKUP_JOB
from monitoring.objectives import (
    AVAILABILITY,
    BURNS,
    LATENCY,
    LATENCY_SECONDS,
    OBJECTIVES,
    duration,
)
from monitoring.panels import DATASOURCE, Panel, Query, Thresholds, graph, latency_map, number
from monitoring.rules import OPERATIONS, REQUESTS

_TAG: Final = "orders"
_CHOSEN: Final = 'job="$job", instance=~"$instance"'
_RATE: Final = "[$__rate_interval]"
_OPERATION: Final = "orders_store_operation_duration_seconds"
_OUTCOME_COLOURS: Final = {"created": "green", "replayed": "blue", "conflict": "orange"}
_WHOLE: Final = 24  # columns
_NUMBER_HEIGHT: Final = 4
_GRAPH_HEIGHT: Final = 8


def service() -> str:
    """Return the service's dashboard as JSON."""
    return _written(
        _board("Orders: service", "orders-service", "Requests, objectives, batches, processes"),
        _Row("Now", _service_now(), _NUMBER_HEIGHT),
        _Row("Requests", _requests()),
        _Row("Latency", _latency()),
        _Row("Objectives", _objectives()),
        _Row("Orders and batches", _batches()),
        _Row("Processes", _processes()),
    )


def postgresql() -> str:
    """Return PostgreSQL's dashboard as JSON."""
    return _written(
        _board("Orders: PostgreSQL", "orders-postgresql", "The database from the service's view"),
        _Row("Now", _database_now(), _NUMBER_HEIGHT),
        _Row("Operations", _operations()),
        _Row("Availability", _availability()),
        _Row("Certificates, disk, backup", _upkeep()),
    )


@frozen
class _Row:
    """A row of panels of equal width.

    Attributes:
        title: The row's title.
        panels: The panels, from left to right.
        height: The panels' height.
    """

    title: str
    panels: Sequence[Panel]
    height: int = _GRAPH_HEIGHT


def _service_now() -> Sequence[Panel]:
    failing = _sum(f'rate({REQUESTS}_count{{{_CHOSEN}, status=~"5.."}}{_RATE})')
    everything = _sum(f"rate({REQUESTS}_count{{{_CHOSEN}}}{_RATE})")
    budget = AVAILABILITY.budget
    return (
        number(
            "Instances up",
            "Instances that answer Prometheus.",
            "short",
            Query('sum(up{job="$job"})', "up"),
            thresholds=Thresholds(1, 0.5, lower_is_worse=True),
        ),
        number(
            "Requests",
            "Answered requests per second.",
            "reqps",
            Query(everything, "requests"),
        ),
        number(
            "Error ratio",
            "The share of requests that are answered with a 5xx. "
            f"Yellow: faster than the error budget allows; red: 14.4 times as fast. "
            f"Objective: {AVAILABILITY.promise}.",
            "percentunit",
            Query(f"{failing} / {everything}", "failing"),
            thresholds=Thresholds(budget, 14.4 * budget),
            decimals=2,
        ),
        *(
            number(
                f"p99 {operation}",
                f"99 % of requests took no longer. Objective: {LATENCY.promise}.",
                "s",
                Query(_quantile(0.99, REQUESTS, f"{_CHOSEN}, {labels}"), operation),
                thresholds=Thresholds(LATENCY_SECONDS / 2, LATENCY_SECONDS),
            )
            for operation, labels in OPERATIONS.items()
        ),
        number(
            "Error budget left",
            "What is left of the availability's error budget for 30 days. Below 0, the objective "
            "is missed.",
            "percentunit",
            Query('orders:availability_budget_left:ratio{job="$job"}', "left"),
            thresholds=Thresholds(0.5, 0, lower_is_worse=True),
            decimals=1,
        ),
    )


def _requests() -> Sequence[Panel]:
    return (
        graph(
            "Requests by route",
            "Answered requests per second.",
            "reqps",
            Query(
                f"sum by (method, route) (rate({REQUESTS}_count{{{_CHOSEN}}}{_RATE})) > 0",
                "{{method}} {{route}}",
            ),
            stacked=True,
        ),
        graph(
            "Errors and shed requests",
            "4xx are errors of clients, 5xx of the service. Shed requests had waited too long and "
            "are among the 503.",
            "reqps",
            Query(
                f'sum by (status) (rate({REQUESTS}_count{{{_CHOSEN}, status=~"[45].."}}{_RATE}))',
                "{{status}}",
            ),
            Query(
                f"sum by (reason) (rate(orders_http_requests_shed_total{{{_CHOSEN}}}{_RATE}))",
                "shed: {{reason}}",
            ),
        ),
        graph(
            "In flight",
            "Requests not yet answered, and open client connections.",
            "short",
            Query(_sum(f"orders_http_requests_in_flight{{{_CHOSEN}}}"), "requests"),
            Query(_sum(f"orders_http_connections_open{{{_CHOSEN}}}"), "connections"),
        ),
    )


def _latency() -> Sequence[Panel]:
    thresholds = Thresholds(LATENCY_SECONDS, LATENCY_SECONDS)
    return (
        latency_map(
            "Request duration",
            "Requests per second by duration. Darker cells are more requests.",
            f"sum by (le) (rate({REQUESTS}_bucket{{{_CHOSEN}}}{_RATE}))",
        ),
        *(
            graph(
                f"Latency: {operation}",
                f"50 %, 95 % and 99 % of requests took no longer. Objective: {LATENCY.promise}.",
                "s",
                *(
                    Query(_quantile(share, REQUESTS, f"{_CHOSEN}, {labels}"), f"p{share * 100:g}")
                    for share in (0.5, 0.95, 0.99)
                ),
                thresholds=thresholds,
            )
            for operation, labels in OPERATIONS.items()
        ),
    )


def _objectives() -> Sequence[Panel]:
    left = (
        Query('orders:availability_budget_left:ratio{job="$job"}', "availability"),
        Query('orders:latency_budget_left:ratio{job="$job"}', "latency: {{operation}}"),
    )
    return (
        graph(
            "Error budgets left",
            "What is left of the error budgets for 30 days. Below 0, the objective is missed.",
            "percentunit",
            *left,
            thresholds=Thresholds(0.5, 0, lower_is_worse=True),
            minimum=-1,
            maximum=1,
        ),
        *(
            graph(
                f"Burn rate: {objective.name}",
                "How many times faster than allowed the budget is used up, over several windows. "
                f"14.4 and 6 are critical. Objective: {objective.promise}.",
                "none",
                *(
                    Query(
                        f"max by (job) (orders:{objective.name}_errors:ratio_rate"
                        f'{duration(burn.long)}{{job="$job"}}) / {objective.budget:g}',
                        f"over {duration(burn.long)} (limit {burn.factor:g})",
                    )
                    for burn in BURNS
                ),
                thresholds=Thresholds(6, 14.4),
            )
            for objective in OBJECTIVES
        ),
    )


def _batches() -> Sequence[Panel]:
    size, wait = "orders_http_batch_size", "orders_http_queue_wait_seconds"
    return (
        graph(
            "Orders by outcome",
            "Orders per second: created, sent again (replayed), or sent again with another amount "
            "(conflict).",
            "ops",
            Query(
                f"sum by (outcome) (rate(orders_store_orders_total{{{_CHOSEN}}}{_RATE}))",
                "{{outcome}}",
            ),
            stacked=True,
            colours=_OUTCOME_COLOURS,
        ),
        graph(
            "Requests per batch",
            "Requests passed to the store at once, on average. Batches grow with the load, which "
            "raises the throughput.",
            "short",
            Query(
                f"sum by (operation) (rate({size}_sum{{{_CHOSEN}}}{_RATE}))\n"
                f"/\nsum by (operation) (rate({size}_count{{{_CHOSEN}}}{_RATE}))",
                "{{operation}}",
            ),
        ),
        graph(
            "Queue wait",
            "99 % of requests waited no longer for a batch or a thread. After a second they are "
            "refused.",
            "s",
            Query(_quantile(0.99, wait, _CHOSEN, "operation, "), "{{operation}}"),
            thresholds=Thresholds(0.1, 1),
        ),
    )


def _processes() -> Sequence[Panel]:
    def by_process(metric: str) -> Query:
        return Query(f"sum by (process) ({metric})", "{{process}}")

    return (
        graph(
            "CPU",
            "Cores used by each process. A worker that uses a whole core is at its limit.",
            "short",
            by_process(f"rate(process_cpu_seconds_total{{{_CHOSEN}}}{_RATE})"),
            stacked=True,
        ),
        graph(
            "Memory",
            "Resident memory of each process. Shared memory counts for each of them.",
            "bytes",
            by_process(f"process_resident_memory_bytes{{{_CHOSEN}}}"),
            stacked=True,
        ),
        graph(
            "Open files",
            "Open files and sockets of each process.",
            "short",
            by_process(f"process_open_fds{{{_CHOSEN}}}"),
        ),
        graph(
            "Workers",
            "Running workers, and workers restarted within the last 15 minutes.",
            "short",
            Query(_sum(f"orders_workers_running{{{_CHOSEN}}}"), "running"),
            Query(_sum(f"increase(orders_worker_restarts_total{{{_CHOSEN}}}[15m])"), "restarted"),
        ),
    )


def _database_now() -> Sequence[Panel]:
    certificates = f"min(orders_certificate_expiry_timestamp_seconds{{{_CHOSEN}}})"
    return (
        number(
            "Instances connected",
            "The share of instances that can reach the database.",
            "percentunit",
            Query(f"avg(orders_store_up{{{_CHOSEN}}})", "connected"),
            thresholds=Thresholds(1, 0.5, lower_is_worse=True),
        ),
        number(
            "Operations",
            "Store operations per second. Each is one or a few round trips to the database.",
            "ops",
            Query(_sum(f"rate({_OPERATION}_count{{{_CHOSEN}}}{_RATE})"), "operations"),
        ),
        number(
            "Missing migrations",
            "Migrations that the release needs and the database lacks.",
            "none",
            Query(
                f"clamp_min(max(orders_store_schema_version_needed{{{_CHOSEN}}}"
                f" - orders_store_schema_version{{{_CHOSEN}}}), 0)",
                "missing",
            ),
            thresholds=Thresholds(1, 1),
        ),
        number(
            "Open breakers",
            "Processes that have paused their connection attempts.",
            "none",
            Query(_sum(f"orders_store_breaker_open{{{_CHOSEN}}}"), "open"),
            thresholds=Thresholds(1, 1),
        ),
        number(
            "First certificate expires in",
            "Time until the first certificate for the database connection expires.",
            "s",
            Query(f"{certificates} - time()", "left"),
            thresholds=Thresholds(21 * 86400, 7 * 86400, lower_is_worse=True),
        ),
        number(
            "Age of the last backup",
            "Time since the last successful backup.",
            "s",
            Query(_BACKUP_AGE, "age"),
            thresholds=Thresholds(25 * 3600, 26 * 3600),
        ),
    )


def _operations() -> Sequence[Panel]:
    return (
        graph(
            "Operations by kind",
            "Operations per second. One add stores a whole batch of orders with one commit.",
            "ops",
            Query(
                f"sum by (operation) (rate({_OPERATION}_count{{{_CHOSEN}}}{_RATE}))",
                "{{operation}}",
            ),
            stacked=True,
        ),
        graph(
            "p99 by operation",
            "99 % of operations took no longer, including failed ones.",
            "s",
            Query(_quantile(0.99, _OPERATION, _CHOSEN, "operation, "), "{{operation}}"),
            thresholds=Thresholds(0.1, 1),
        ),
        latency_map(
            "Add duration",
            "Adds per second by duration, including the commit and the flush to disk.",
            f'sum by (le) (rate({_OPERATION}_bucket{{{_CHOSEN}, operation="add"}}{_RATE}))',
        ),
        graph(
            "Orders per commit",
            "Orders stored by one add, on average.",
            "short",
            Query(
                f'sum(rate(orders_store_orders_total{{{_CHOSEN}, outcome="created"}}{_RATE}))\n'
                f'/\nsum(rate({_OPERATION}_count{{{_CHOSEN}, operation="add"}}{_RATE}))',
                "orders",
            ),
        ),
    )


def _availability() -> Sequence[Panel]:
    return (
        graph(
            "Failed operations by reason",
            "Failed operations per second. docs/metrics.md explains the reasons.",
            "ops",
            Query(
                f"sum by (reason) (rate(orders_store_unavailable_total{{{_CHOSEN}}}{_RATE}))",
                "{{reason}}",
            ),
            stacked=True,
        ),
        graph(
            "Connected instances",
            "1 if the database could store orders within the last five seconds.",
            "none",
            Query(f"orders_store_up{{{_CHOSEN}}}", "{{instance}}"),
            maximum=1,
        ),
        graph(
            "Open breakers by instance",
            "Processes of each instance that have paused their connection attempts.",
            "none",
            Query(f"orders_store_breaker_open{{{_CHOSEN}}}", "{{instance}}"),
            thresholds=Thresholds(1, 1),
        ),
    )


def _upkeep() -> Sequence[Panel]:
    certificates = f"orders_certificate_expiry_timestamp_seconds{{{_CHOSEN}}}"
    return (
        graph(
            "Certificates expire in",
            "Time until each certificate for the database connection expires.",
            "s",
            Query(f"min by (certificate) ({certificates}) - time()", "{{certificate}}"),
            thresholds=Thresholds(21 * 86400, 7 * 86400, lower_is_worse=True),
        ),
        graph(
            "Free disk of the database",
            "The free share of each disk that may hold PostgreSQL's data.",
            "percentunit",
            Query(
                "orders:postgresql_disk_free:ratio",
                "{{persistentvolumeclaim}}{{instance}} {{mountpoint}}",
            ),
            thresholds=Thresholds(0.25, 0.1, lower_is_worse=True),
            maximum=1,
        ),
        graph(
            "Age of the last backup over time",
            "Time since the last successful backup. Backups run once a day.",
            "s",
            Query(_BACKUP_AGE, "age"),
            thresholds=Thresholds(25 * 3600, 26 * 3600),
        ),
    )


_BACKUP_AGE: Final = (
    "time() - max(\n"
    "  orders_backup_last_success_timestamp_seconds\n"
    "  or\n"
    f"  kube_cronjob_status_last_successful_time{{{BACKUP_JOB}}}\n"
    ")"
)


def _sum(expression: str) -> str:
    return f"sum({expression})"


def _quantile(share: float, histogram: str, labels: str, by: str = "") -> str:
    rate = f"sum by ({by}le) (rate({histogram}_bucket{{{labels}}}{_RATE}))"
    return f"histogram_quantile({share}, {rate})"


def _board(title: str, uid: str, description: str) -> dashboard.Dashboard:
    everything = VariableOption(text="All", value="$__all")
    job = (
        dashboard.QueryVariable("job")
        .label("Service")
        .datasource(DATASOURCE)
        .query("label_values(orders_build_info, job)")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )
    instance = (
        dashboard.QueryVariable("instance")
        .label("Instance")
        .datasource(DATASOURCE)
        .query('label_values(orders_build_info{job="$job"}, instance)')
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)  # noqa: FBT003 - its only form
        .include_all(True)  # noqa: FBT003 - its only form
        .all_value(".*")
        .current(everything)
    )
    others = (
        dashboard.DashboardLink("Orders")
        .type(DashboardLinkType.DASHBOARDS)
        .tags([_TAG])
        .include_vars(True)  # noqa: FBT003 - its only form
        .keep_time(True)  # noqa: FBT003 - its only form
    )
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([_TAG])
        .readonly()
        .refresh("30s")
        .time("now-1h", "now")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .timezone("browser")
        .link(others)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data").type("prometheus"))
        .with_variable(job)
        .with_variable(instance)
    )


def _written(board: dashboard.Dashboard, *rows: _Row) -> str:
    numbers = count(1)
    for row in rows:
        board.with_row(dashboard.Row(row.title).id(next(numbers)))
        for panel in row.panels:
            panel.id(next(numbers)).span(_WHOLE // len(row.panels)).height(row.height)
            board.with_panel(panel)
    text = JSONEncoder(sort_keys=True, indent=2).encode(board.build())
    return json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"
