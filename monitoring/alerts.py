"""The alerts: what has to be wrong, for how long, and what a person reads who is woken."""

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
"""`critical`: get up now. `warning`: within the day. `info`: within the week."""

# A backup that is made once a day may begin a little later than on the day before.
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
        name: Its name, unique.
        severity: Whether somebody must get up.
        expression: What has to be so.
        lasts: For how long, in seconds.
        summary: One sentence for a person who was asleep.
        description: What it means for the clients, and what comes next.
        runbook: The runbook, when it is not named like the alert.
    """

    name: str
    severity: Severity
    expression: str
    lasts: float
    summary: str
    description: str
    runbook: str = ""

    @property
    def page(self) -> str:
        """The name of its runbook."""
        return self.runbook or self.name

    def written(self) -> Mapping[str, Any]:
        """Give it as Prometheus reads it."""
        return {
            "alert": self.name,
            "expr": self.expression,
            **({"for": duration(self.lasts)} if self.lasts else {}),
            "labels": {"severity": self.severity},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": f"{RUNBOOKS}/{self.page}.md",
            },
        }


def burn_alerts(factor: int = 1) -> Iterator[Alert]:
    """Give the alerts of error budgets that burn too fast."""
    for objective in OBJECTIVES:
        for burn in BURNS:
            yield _burning(objective, burn, factor)


def _burning(objective: Objective, burn: Burn, factor: int) -> Alert:
    most = f"{burn.factor:g} * {objective.budget:g}"
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
        f"{ratio}{long} > {most}\nand\n{ratio}{short} > {most}",
        burn.lasts / factor,
        f"{{{{ $value | humanizePercentage }}}} of {what}, over {long} and still now",
        f"The objective is that {objective.promise}. At this pace, {burn.factor:g} times what "
        f"it allows, the budget of {duration(PERIOD)} is used up in {days:.3g} days.",
        f"Orders{objective.title}BudgetBurn",
    )


def simple_alerts(factor: int = 1) -> Iterator[Alert]:
    """Give the alerts of what breaks this system.

    Args:
        factor: By how much all windows are shortened.
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
        "Orders is down: no instance of it answers Prometheus",
        "Clients most likely get no answer at all. No order that was acknowledged is lost.",
    )
    yield Alert(
        "OrdersInstanceDown",
        "warning",
        'up{job="orders"} == 0',
        5 * MINUTE / factor,
        f"The instance {_WHERE} of Orders does not answer Prometheus",
        "The other instances take its work, as long as there are any.",
    )
    window = duration(15 * MINUTE / factor)
    yield Alert(
        "OrdersWorkersRestarting",
        "warning",
        f"increase(orders_worker_restarts_total[{window}]) > 2",
        0,
        f"Worker processes of {_WHERE} end and are started again, more than twice in {window}",
        "What a worker had in hand when it ended got no answer; clients may safely send it again.",
    )


def _store(factor: int) -> Iterator[Alert]:
    yield Alert(
        "OrdersDatabaseAway",
        "critical",
        "orders_store_up == 0",
        MINUTE / factor,
        f"{_WHERE} does not reach its database",
        "Orders are refused with 503 and nothing is lost. The service connects again by itself "
        "when the database is back.",
    )
    window = duration(2 * MINUTE / factor)
    yield Alert(
        "OrdersBreakerOpen",
        "warning",
        "orders_store_breaker_open > 0\n"
        f"  and sum without (reason) (rate(orders_store_unavailable_total[{window}])) > 0",
        2 * MINUTE / factor,
        f"{{{{ $value }}}} processes of {_WHERE} have stopped trying to connect to the database",
        "Five connects in a row failed, so requests are refused at once, and one attempt is made "
        "now and then. It closes by itself when the database is back.",
    )
    yield Alert(
        "OrdersPoolExhausted",
        "warning",
        f'rate(orders_store_unavailable_total{{reason="pool"}}[{window}]) > 0',
        5 * MINUTE / factor,
        f"Requests of {_WHERE} wait in vain for a connection to the database",
        "Every connection that the service allows itself is in use: the database is slow, or "
        "there is more work than it can do. Those requests were refused with 503.",
    )
    yield Alert(
        "OrdersStoreExhausted",
        "critical",
        f'rate(orders_store_unavailable_total{{reason="exhausted"}}[{window}]) > 0',
        MINUTE / factor,
        f"The database of {_WHERE} has no room left: disk, memory or connections",
        "Orders are refused with 503 and nothing is lost, but it does not mend itself.",
    )
    yield Alert(
        "OrdersMigrationPending",
        "critical",
        "orders_store_schema_version < orders_store_schema_version_needed",
        MINUTE / factor,
        f"The database of {_WHERE} lacks a migration: its schema has version {{{{ $value }}}}",
        "The release that runs needs a newer schema. It answers 503 until orders migrate was run.",
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
            "When it has expired, no new connection can be made, and within half an hour every "
            "order is refused with 503.",
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
            "{{ $value | humanizePercentage }} of it is free, and falling.",
        )
        yield Alert(
            f"Orders{title}DiskFull",
            "critical",
            f"{ratio} < 0.1",
            5 * MINUTE / factor,
            f"The disk of {whose} is almost full: {{{{ $value | humanizePercentage }}}} is free",
            "When it is full, every order is refused with 503; what is stored stays readable.",
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
        "Should the database be lost now, so would be all orders since then.",
    )
