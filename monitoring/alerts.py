"""The alerts: their conditions, their durations, and the texts that the person on call reads."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from attrs import frozen

from monitoring.objectives import (
    BURNS,
    DAY,
    HOUR,
    MINUTE,
    OBJECTIVES,
    PERIOD,
    RUNBOOKS,
    Burn,
    Objective,
    duration,
)

Severity = Literal["critical", "warning", "info"]
"""`critical`: respond immediately. `warning`: within a day. `info`: within a week."""

# One day, and a margin for a backup that starts later than on the day before.
_BACKUP_SECONDS: Final = DAY + 2 * HOUR
BACKUP_JOB: Final = 'namespace="orders", cronjob="orders-backup"'
_WHERE: Final = "{{ with $labels.namespace }}{{ . }}/{{ end }}{{ $labels.instance }}"
_VOLUME: Final = (
    "{{ with $labels.persistentvolumeclaim }}{{ . }}{{ else }}"
    "{{ $labels.instance }} {{ $labels.mountpoint }}{{ end }}"
)
_SERVICE: Final = "{{ with $labels.namespace }}{{ . }}/{{ end }}{{ $labels.job }}"


@frozen
class Alert:
    """An alert.

    Attributes:
        name: A unique name.
        severity: How soon somebody must respond.
        expression: The condition, in PromQL.
        for_seconds: How long the condition must hold before the alert fires.
        summary: One sentence for somebody who has just been woken.
        description: What it means for clients, and what happens next.
        runbook: The runbook's name, if it differs from the alert's.
    """

    name: str
    severity: Severity
    expression: str
    for_seconds: float
    summary: str
    description: str
    runbook: str = ""

    @property
    def page(self) -> str:
        """The runbook's name."""
        return self.runbook or self.name

    def as_dict(self) -> Mapping[str, Any]:
        """Return the rule in Prometheus's format."""
        return {
            "alert": self.name,
            "expr": self.expression,
            **({"for": duration(self.for_seconds)} if self.for_seconds else {}),
            "labels": {"severity": self.severity},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": f"{RUNBOOKS}/{self.page}.md",
            },
        }


def burn_alerts(factor: int = 1) -> Iterator[Alert]:
    """Yield the alerts on error budgets that burn too fast."""
    for objective in OBJECTIVES:
        for burn in BURNS:
            yield _burning(objective, burn, factor)


def _burning(objective: Objective, burn: Burn, factor: int) -> Alert:
    limit = f"{burn.factor:g} * {objective.budget:g}"
    ratio = f"orders:{objective.name}_errors:ratio_rate"
    long, short = duration(burn.long), duration(burn.short)
    what = {
        "availability": f"requests of {_SERVICE} fail",
        "latency": f"requests of {_SERVICE} ({{{{ $labels.operation }}}}) take over 100 ms",
    }[objective.name]
    days = PERIOD / DAY / burn.factor
    return Alert(
        f"Orders{objective.title}BudgetBurn{long}",
        "critical" if burn.severity == "critical" else "warning",
        f"{ratio}{long} > {limit}\nand\n{ratio}{short} > {limit}",
        burn.for_seconds / factor,
        f"{{{{ $value | humanizePercentage }}}} of {what}, over the last {long} and still now",
        f"The objective is that {objective.promise}. At a burn rate of {burn.factor:g}, the error "
        f"budget for {duration(PERIOD)} is used up in {days:.3g} days.",
        f"Orders{objective.title}BudgetBurn",
    )


def simple_alerts(factor: int = 1) -> Iterator[Alert]:
    """Yield the alerts on the causes of failures.

    Args:
        factor: Divides all windows.
    """
    yield from _service(factor)
    yield from _store(factor)
    yield from _certificates()
    yield from _disks(factor)
    yield _backup(factor)


def _service(factor: int) -> Iterator[Alert]:
    yield Alert(
        "OrdersDown",
        "critical",
        'absent(up{job="orders"} == 1)',
        2 * MINUTE / factor,
        "Orders is down: no instance answers Prometheus",
        "Clients most likely get no answer. No acknowledged order is lost.",
    )
    yield Alert(
        "OrdersInstanceDown",
        "warning",
        'up{job="orders"} == 0',
        5 * MINUTE / factor,
        f"The Orders instance {_WHERE} does not answer Prometheus",
        "The other instances, if there are any, handle its requests.",
    )
    window = duration(15 * MINUTE / factor)
    yield Alert(
        "OrdersWorkersRestarting",
        "warning",
        f"increase(orders_worker_restarts_total[{window}]) > 2",
        0,
        f"More than two worker processes of {_WHERE} were restarted within {window}",
        "The requests of a worker that ends get no answer. Clients may safely repeat them.",
    )


def _store(factor: int) -> Iterator[Alert]:
    yield Alert(
        "OrdersDatabaseAway",
        "critical",
        "orders_store_up == 0",
        MINUTE / factor,
        f"{_WHERE} cannot reach its database",
        "Orders are refused with 503. Nothing is lost. The service reconnects by itself when the "
        "database is back.",
    )
    window = duration(2 * MINUTE / factor)
    yield Alert(
        "OrdersBreakerOpen",
        "warning",
        "orders_store_breaker_open > 0\n"
        f"  and sum without (reason) (rate(orders_store_unavailable_total[{window}])) > 0",
        2 * MINUTE / factor,
        f"{{{{ $value }}}} processes of {_WHERE} have paused connecting to the database",
        "Five connection attempts in a row failed. Requests that need a new connection are refused "
        "at once, between occasional attempts. The breaker closes by itself when one succeeds.",
    )
    yield Alert(
        "OrdersPoolExhausted",
        "warning",
        f'rate(orders_store_unavailable_total{{reason="pool"}}[{window}]) > 0',
        5 * MINUTE / factor,
        f"Requests of {_WHERE} time out waiting for a database connection",
        "All connections of the pool are in use: the database is slow or overloaded. Requests that "
        "get no connection are refused with 503.",
    )
    yield Alert(
        "OrdersStoreExhausted",
        "critical",
        f'rate(orders_store_unavailable_total{{reason="exhausted"}}[{window}]) > 0',
        MINUTE / factor,
        f"The database of {_WHERE} has run out of disk space, memory or connections",
        "Orders are refused with 503. Nothing is lost. This does not resolve itself.",
    )
    yield Alert(
        "OrdersMigrationPending",
        "critical",
        "orders_store_schema_version < orders_store_schema_version_needed",
        MINUTE / factor,
        f"The database of {_WHERE} needs a migration: its schema has version {{{{ $value }}}}",
        "The running release needs a newer schema. It answers 503 until `orders migrate` has run.",
    )


def _certificates() -> Iterator[Alert]:
    steps: tuple[tuple[int, int | None, Severity], ...] = (
        (21, 7, "info"),
        (7, 1, "warning"),
        (1, None, "critical"),
    )
    left = "orders_certificate_expiry_timestamp_seconds - time()"
    for days, next_days, severity in steps:
        above = "" if next_days is None else f"\nand\n{left} >= {next_days} * 86400"
        yield Alert(
            f"OrdersCertificateExpires{days}d",
            severity,
            f"{left} < {days} * 86400{above}",
            0,
            f"The {{{{ $labels.certificate }}}} certificate between {_WHERE} and its database "
            "expires in {{ $value | humanizeDuration }}",
            "Once it has expired, no new connection succeeds, and within half an hour every order "
            "is refused with 503.",
            "OrdersCertificateExpires",
        )


def _disks(factor: int) -> Iterator[Alert]:
    disks = (
        ("Sqlite", "sqlite", f"the orders of {_WHERE} (SQLite)"),
        (
            "Postgresql",
            "postgresql",
            f"PostgreSQL ({_VOLUME})",
        ),
    )
    window = duration(6 * HOUR / factor)
    for title, name, whose in disks:
        ratio = f"orders:{name}_disk_free:ratio"
        yield Alert(
            f"Orders{title}DiskFilling",
            "warning",
            f"{ratio} < 0.25\nand\npredict_linear({ratio}[{window}], {3 * DAY // factor}) < 0",
            HOUR / factor,
            f"The disk of {whose} will be full within three days",
            "{{ $value | humanizePercentage }} is free, and shrinking.",
        )
        yield Alert(
            f"Orders{title}DiskFull",
            "critical",
            f"{ratio} < 0.1",
            5 * MINUTE / factor,
            f"The disk of {whose} is almost full: {{{{ $value | humanizePercentage }}}} is free",
            "When it is full, every order is refused with 503. Stored orders can still be read.",
            f"Orders{title}DiskFilling",
        )


def _backup(factor: int) -> Alert:
    return Alert(
        "OrdersBackupTooOld",
        "warning",
        f"""\
time() - orders_backup_last_success_timestamp_seconds > {_BACKUP_SECONDS}
or
time() - kube_cronjob_status_last_successful_time{{
  {BACKUP_JOB}
}} > {_BACKUP_SECONDS}
or
(
  time() - kube_cronjob_created{{{BACKUP_JOB}}} > {_BACKUP_SECONDS}
  unless on (namespace, cronjob)
  kube_cronjob_status_last_successful_time
)""",
        10 * MINUTE / factor,
        "The last backup of the orders is {{ $value | humanizeDuration }} old",
        "If the database were lost now, all orders since then would be lost.",
    )
