"""The recording rules and the alerts, from which both rule files are generated."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import frozen

from monitoring.alerts import Alert, burn_alerts, simple_alerts
from monitoring.objectives import (
    AVAILABILITY,
    BURNS,
    LATENCY,
    LATENCY_SECONDS,
    MINUTE,
    PERIOD,
    duration,
)

REQUESTS: Final = "orders_http_request_duration_seconds"
SERVICE: Final = "namespace, job"
"""The labels that identify a service. Outside Kubernetes, there is no namespace."""
COUNTED: Final = 'route!="/health"'
OPERATIONS: Final = {
    "create": 'route="/orders", method="POST"',
    "look-up": 'route="/orders/<id>", method="GET"',
}
# The mount points of PostgreSQL's data and backups on Debian.
_POSTGRES_MOUNTS: Final = "/|/var|/var/lib|/var/lib/postgresql.*|/var/backups.*"
# A metric that only the database host exports.
_POSTGRES_HOST: Final = "orders_backup_last_success_timestamp_seconds"
_POSTGRES_CLAIMS: Final = 'namespace="orders", persistentvolumeclaim=~"data-orders-postgres-.*"'
_VOLUME: Final = "kubelet_volume_stats"


@frozen
class Recording:
    """A recording rule.

    Attributes:
        record: The name of the recorded metric.
        expression: The expression in PromQL.
        labels: Additional labels of the recorded metric.
    """

    record: str
    expression: str
    labels: Mapping[str, str] = {}

    def as_dict(self) -> Mapping[str, Any]:
        """Return it in Prometheus's format."""
        rule: dict[str, Any] = {"record": self.record, "expr": self.expression}
        return {**rule, "labels": dict(self.labels)} if self.labels else rule


@frozen
class Group:
    """A group of rules, which Prometheus evaluates in order.

    Attributes:
        name: A name unique in the file.
        rules: The rules.
        interval: The evaluation interval in seconds; None means Prometheus's default.
    """

    name: str
    rules: tuple[Recording | Alert, ...]
    interval: int | None = None

    def as_dict(self) -> Mapping[str, Any]:
        """Return it in Prometheus's format."""
        group: dict[str, Any] = {"name": self.name}
        if self.interval is not None:
            group["interval"] = duration(self.interval)
        return {**group, "rules": [rule.as_dict() for rule in self.rules]}


def groups(factor: int = 1) -> tuple[Group, ...]:
    """Return all rules.

    Args:
        factor: Divides all windows, for tests that cannot wait for hours. The names stay, so
            `rate1h` then means the rate over a shorter time.
    """
    return (
        Group("orders.slo", tuple(_objectives(factor))),
        Group("orders.slo.period", tuple(_period(factor)), None if factor > 1 else 5 * MINUTE),
        Group("orders.disks", tuple(_disks())),
        Group("orders.slo.alerts", tuple(burn_alerts(factor))),
        Group("orders.alerts", tuple(simple_alerts(factor))),
    )


def document(factor: int = 1) -> Mapping[str, Any]:
    """Return the content of the rule file."""
    return {"groups": [group.as_dict() for group in groups(factor)]}


def _windows() -> list[int]:
    """List the windows of all alerts, ascending."""
    return sorted({each for burn in BURNS for each in (burn.short, burn.long)})


def _objectives(factor: int) -> Iterator[Recording]:
    for window in _windows():
        yield from _ratios(window, factor)


def _ratios(window: int, factor: int) -> Iterator[Recording]:
    name, over = duration(window), duration(window / factor)
    failed, all_ = f'{COUNTED}, status=~"5.."', COUNTED
    yield Recording(
        f"orders:{AVAILABILITY.name}_errors:ratio_rate{name}",
        f"{_rate('count', failed, over)}\n/\n{_rate('count', all_, over)}",
    )
    for operation, labels in OPERATIONS.items():
        answered = f'{labels}, status!~"5.."'
        fast = f'{answered}, le="{LATENCY_SECONDS}"'
        yield Recording(
            f"orders:{LATENCY.name}_errors:ratio_rate{name}",
            f"1 -\n{_rate('bucket', fast, over)}\n/\n{_rate('count', answered, over)}",
            {"operation": operation},
        )


def _rate(part: str, labels: str, over: str) -> str:
    return f"""\
sum by ({SERVICE}) (
  rate(
    {REQUESTS}_{part}{{
      {labels}
    }}[{over}]
  )
)"""


def _period(factor: int) -> Iterator[Recording]:
    yield from _ratios(PERIOD, factor)
    name = duration(PERIOD)
    for objective in (AVAILABILITY, LATENCY):
        yield Recording(
            f"orders:{objective.name}_budget_left:ratio",
            f"1 - orders:{objective.name}_errors:ratio_rate{name} / {objective.budget:g}",
        )


def _disks() -> Iterator[Recording]:
    yield Recording(
        "orders:sqlite_disk_free:ratio",
        "orders_store_disk_free_bytes / orders_store_disk_size_bytes",
    )
    on_host = f'job="node", mountpoint=~"{_POSTGRES_MOUNTS}"'
    yield Recording(
        "orders:postgresql_disk_free:ratio",
        f"(\n{_share('node_filesystem_avail_bytes', 'node_filesystem_size_bytes', on_host)}\n"
        f"and on (instance) {_POSTGRES_HOST}\n)\n"
        "or\n"
        f"{_share(f'{_VOLUME}_available_bytes', f'{_VOLUME}_capacity_bytes', _POSTGRES_CLAIMS)}",
    )


def _share(part: str, whole: str, labels: str) -> str:
    return f"""\
{part}{{
  {labels}
}}
/
{whole}{{
  {labels}
}}"""
