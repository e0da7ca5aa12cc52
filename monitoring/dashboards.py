"""The two dashboards: the service, and PostgreSQL as the service sees it."""

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
from monitoring.panels import DATASOURCE, Limits, Panel, Query, graph, latency_map, number
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
    """Write the dashboard of the service as JSON."""
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
    """Write the dashboard of PostgreSQL, as the service sees it, as JSON."""
    return _written(
        _board("Orders: PostgreSQL", "orders-postgresql", "The database as Orders sees it"),
        _Row("Now", _database_now(), _NUMBER_HEIGHT),
        _Row("Operations", _operations()),
        _Row("Availability", _availability()),
        _Row("Certificates, disk, backup", _upkeep()),
    )


@frozen
class _Row:
    """Panels that are equally wide.

    Attributes:
        title: What stands above them.
        panels: The panels, from left to right.
        height: How high they are.
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
            "How many instances answer Prometheus.",
            "short",
            Query('sum(up{job="$job"})', "up"),
            limits=Limits(1, 0.5, falling=True),
        ),
        number(
            "Requests",
            "Requests that were answered, in a second.",
            "reqps",
            Query(everything, "requests"),
        ),
        number(
            "Failing",
            "The share of requests that is answered with a 5xx. "
            f"Yellow uses up the error budget, red 14.4 times as fast. {AVAILABILITY.promise}.",
            "percentunit",
            Query(f"{failing} / {everything}", "failing"),
            limits=Limits(budget, 14.4 * budget),
            decimals=2,
        ),
        *(
            number(
                f"p99 {operation}",
                f"99 of 100 requests took no longer. {LATENCY.promise}.",
                "s",
                Query(_quantile(0.99, REQUESTS, f"{_CHOSEN}, {labels}"), operation),
                limits=Limits(LATENCY_SECONDS / 2, LATENCY_SECONDS),
            )
            for operation, labels in OPERATIONS.items()
        ),
        number(
            "Error budget left",
            "What is left of the availability's budget of 30 days; below 0 the objective is "
            "missed.",
            "percentunit",
            Query('orders:availability_budget_left:ratio{job="$job"}', "left"),
            limits=Limits(0.5, 0, falling=True),
            decimals=1,
        ),
    )


def _requests() -> Sequence[Panel]:
    return (
        graph(
            "Requests by route",
            "Requests that were answered, in a second.",
            "reqps",
            Query(
                f"sum by (method, route) (rate({REQUESTS}_count{{{_CHOSEN}}}{_RATE})) > 0",
                "{{method}} {{route}}",
            ),
            stacked=True,
        ),
        graph(
            "Refused and failed",
            "Answers of 4xx are the client's, of 5xx the service's. Shed ones are among the 503: "
            "they had waited too long.",
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
            "Under way",
            "Requests that have arrived and are not answered, and connections of clients.",
            "short",
            Query(_sum(f"orders_http_requests_in_flight{{{_CHOSEN}}}"), "requests"),
            Query(_sum(f"orders_http_connections_open{{{_CHOSEN}}}"), "connections"),
        ),
    )


def _latency() -> Sequence[Panel]:
    limits = Limits(LATENCY_SECONDS, LATENCY_SECONDS)
    return (
        latency_map(
            "How long requests take",
            "Requests in a second by the time that they took: a darker cell is more requests.",
            f"sum by (le) (rate({REQUESTS}_bucket{{{_CHOSEN}}}{_RATE}))",
        ),
        *(
            graph(
                f"Latency: {operation}",
                f"Half, 95 and 99 of 100 requests took no longer. {LATENCY.promise}.",
                "s",
                *(
                    Query(_quantile(share, REQUESTS, f"{_CHOSEN}, {labels}"), f"p{share * 100:g}")
                    for share in (0.5, 0.95, 0.99)
                ),
                limits=limits,
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
            "What is left of the budgets of 30 days. Below 0 the objective is missed.",
            "percentunit",
            *left,
            limits=Limits(0.5, 0, falling=True),
            least=-1,
            most=1,
        ),
        *(
            graph(
                f"Burn rate: {objective.name}",
                "How many times faster than allowed the budget is used up, over several times. "
                f"From 14.4 and 6 on somebody is woken. {objective.promise}.",
                "none",
                *(
                    Query(
                        f"max by (job) (orders:{objective.name}_errors:ratio_rate"
                        f'{duration(burn.long)}{{job="$job"}}) / {objective.budget:g}',
                        f"over {duration(burn.long)} (limit {burn.factor:g})",
                    )
                    for burn in BURNS
                ),
                limits=Limits(6, 14.4),
            )
            for objective in OBJECTIVES
        ),
    )


def _batches() -> Sequence[Panel]:
    size, wait = "orders_http_batch_size", "orders_http_queue_wait_seconds"
    return (
        graph(
            "Orders by outcome",
            "Orders in a second: created, sent once more (replayed), or sent with another amount "
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
            "Requests in a batch",
            "How many requests are handed to the store at once, on average. It grows with the "
            "load: that is how the service keeps up.",
            "short",
            Query(
                f"sum by (operation) (rate({size}_sum{{{_CHOSEN}}}{_RATE}))\n"
                f"/\nsum by (operation) (rate({size}_count{{{_CHOSEN}}}{_RATE}))",
                "{{operation}}",
            ),
        ),
        graph(
            "Waiting for a batch or a thread",
            "99 of 100 requests waited no longer before their work began. From a second on they "
            "are refused.",
            "s",
            Query(_quantile(0.99, wait, _CHOSEN, "operation, "), "{{operation}}"),
            limits=Limits(0.1, 1),
        ),
    )


def _processes() -> Sequence[Panel]:
    def by_process(metric: str) -> Query:
        return Query(f"sum by (process) ({metric})", "{{process}}")

    return (
        graph(
            "Processor",
            "Cores that each process uses. A worker that needs a whole one is at its limit.",
            "short",
            by_process(f"rate(process_cpu_seconds_total{{{_CHOSEN}}}{_RATE})"),
            stacked=True,
        ),
        graph(
            "Memory",
            "Memory of each process that is in RAM; what several share counts for each.",
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
            "Workers that run, and those that were started within 15 minutes in place of one that "
            "ended.",
            "short",
            Query(_sum(f"orders_workers_running{{{_CHOSEN}}}"), "running"),
            Query(_sum(f"increase(orders_worker_restarts_total{{{_CHOSEN}}}[15m])"), "restarted"),
        ),
    )


def _database_now() -> Sequence[Panel]:
    certificates = f"min(orders_certificate_expiry_timestamp_seconds{{{_CHOSEN}}})"
    return (
        number(
            "Reached by",
            "The share of instances that reach the database.",
            "percentunit",
            Query(f"avg(orders_store_up{{{_CHOSEN}}})", "reached by"),
            limits=Limits(1, 0.5, falling=True),
        ),
        number(
            "Operations",
            "Operations of the store in a second, each a round trip to the database or a few.",
            "ops",
            Query(_sum(f"rate({_OPERATION}_count{{{_CHOSEN}}}{_RATE})"), "operations"),
        ),
        number(
            "Missing migrations",
            "Migrations that the release needs and the database has not.",
            "none",
            Query(
                f"clamp_min(max(orders_store_schema_version_needed{{{_CHOSEN}}}"
                f" - orders_store_schema_version{{{_CHOSEN}}}), 0)",
                "missing",
            ),
            limits=Limits(1, 1),
        ),
        number(
            "Open breakers",
            "Processes that do not try to connect for now.",
            "none",
            Query(_sum(f"orders_store_breaker_open{{{_CHOSEN}}}"), "open"),
            limits=Limits(1, 1),
        ),
        number(
            "First certificate expires in",
            "Until the first of the certificates between service and database expires.",
            "s",
            Query(f"{certificates} - time()", "left"),
            limits=Limits(21 * 86400, 7 * 86400, falling=True),
        ),
        number(
            "Age of the last backup",
            "Since the last backup that succeeded.",
            "s",
            Query(_BACKUP_AGE, "age"),
            limits=Limits(25 * 3600, 26 * 3600),
        ),
    )


def _operations() -> Sequence[Panel]:
    return (
        graph(
            "Operations by kind",
            "Operations in a second. An add stores a whole batch of orders with one commit.",
            "ops",
            Query(
                f"sum by (operation) (rate({_OPERATION}_count{{{_CHOSEN}}}{_RATE}))",
                "{{operation}}",
            ),
            stacked=True,
        ),
        graph(
            "p99 by operation",
            "99 of 100 operations took no longer, also of those that failed.",
            "s",
            Query(_quantile(0.99, _OPERATION, _CHOSEN, "operation, "), "{{operation}}"),
            limits=Limits(0.1, 1),
        ),
        latency_map(
            "How long an add takes",
            "Adds in a second by the time that they took, commit and flush to the disk included.",
            f'sum by (le) (rate({_OPERATION}_bucket{{{_CHOSEN}, operation="add"}}{_RATE}))',
        ),
        graph(
            "Orders in a commit",
            "Orders that one add stores, on average.",
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
            "Operations that failed in a second. docs/metrics.md explains the reasons.",
            "ops",
            Query(
                f"sum by (reason) (rate(orders_store_unavailable_total{{{_CHOSEN}}}{_RATE}))",
                "{{reason}}",
            ),
            stacked=True,
        ),
        graph(
            "Instances that reach the database",
            "1 when the database took orders within the last five seconds.",
            "none",
            Query(f"orders_store_up{{{_CHOSEN}}}", "{{instance}}"),
            most=1,
        ),
        graph(
            "Open breakers by instance",
            "Processes of each instance that do not try to connect for now.",
            "none",
            Query(f"orders_store_breaker_open{{{_CHOSEN}}}", "{{instance}}"),
            limits=Limits(1, 1),
        ),
    )


def _upkeep() -> Sequence[Panel]:
    certificates = f"orders_certificate_expiry_timestamp_seconds{{{_CHOSEN}}}"
    return (
        graph(
            "Certificates expire in",
            "Until each certificate between service and database expires.",
            "s",
            Query(f"min by (certificate) ({certificates}) - time()", "{{certificate}}"),
            limits=Limits(21 * 86400, 7 * 86400, falling=True),
        ),
        graph(
            "Free disk of the database",
            "The share that is free of the disks that may hold PostgreSQL's data.",
            "percentunit",
            Query(
                "orders:postgresql_disk_free:ratio",
                "{{persistentvolumeclaim}}{{instance}} {{mountpoint}}",
            ),
            limits=Limits(0.25, 0.1, falling=True),
            most=1,
        ),
        graph(
            "Age of the last backup over time",
            "Since the last backup that succeeded; it is made once a day.",
            "s",
            Query(_BACKUP_AGE, "age"),
            limits=Limits(25 * 3600, 26 * 3600),
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


def _board(title: str, uid: str, meaning: str) -> dashboard.Dashboard:
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
        .description(meaning)
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
