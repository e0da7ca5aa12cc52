"""The recording rules and the alerts, of which both rule files are written."""

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
"""What makes one service of many instances; there is no namespace outside of Kubernetes."""
COUNTED: Final = 'route!="/health"'
OPERATIONS: Final = {
    "create": 'route="/orders", method="POST"',
    "look-up": 'route="/orders/<id>", method="GET"',
}
# Where Debian keeps PostgreSQL's data, and the backups that share its host.
_POSTGRES_MOUNTS: Final = "/|/var|/var/lib|/var/lib/postgresql.*|/var/backups.*"
# What the host of the database alone tells.
_POSTGRES_HOST: Final = "orders_backup_last_success_timestamp_seconds"
_POSTGRES_CLAIMS: Final = 'namespace="orders", persistentvolumeclaim=~"data-orders-postgres-.*"'
_VOLUME: Final = "kubelet_volume_stats"


@frozen
class Recording:
    """An expression that is worked out ahead.

    Attributes:
        record: The name of its result.
        expression: What is worked out.
        labels: Further labels of the result.
    """

    record: str
    expression: str
    labels: Mapping[str, str] = {}

    def written(self) -> Mapping[str, Any]:
        """Give it as Prometheus reads it."""
        rule: dict[str, Any] = {"record": self.record, "expr": self.expression}
        return {**rule, "labels": dict(self.labels)} if self.labels else rule


@frozen
class Group:
    """Rules that are worked out one after the other.

    Attributes:
        name: Its name, unique in the file.
        rules: The rules.
        interval: How often, in seconds; None is as often as Prometheus is set to.
    """

    name: str
    rules: tuple[Recording | Alert, ...]
    interval: int | None = None

    def written(self) -> Mapping[str, Any]:
        """Give it as Prometheus reads it."""
        group: dict[str, Any] = {"name": self.name}
        if self.interval is not None:
            group["interval"] = duration(self.interval)
        return {**group, "rules": [rule.written() for rule in self.rules]}


def groups(factor: int = 1) -> tuple[Group, ...]:
    """Give every rule.

    Args:
        factor: By how much all windows are shortened, for a test that cannot wait for hours. The
            names stay, so that `rate1h` then means the rate of a shorter time.
    """
    return (
        Group("orders.slo", tuple(_objectives(factor))),
        Group("orders.slo.period", tuple(_period(factor)), None if factor > 1 else 5 * MINUTE),
        Group("orders.disks", tuple(_disks())),
        Group("orders.slo.alerts", tuple(burn_alerts(factor))),
        Group("orders.alerts", tuple(simple_alerts(factor))),
    )


def document(factor: int = 1) -> Mapping[str, Any]:
    """Give the content of a rule file."""
    return {"groups": [group.written() for group in groups(factor)]}


def _windows() -> list[int]:
    """List every window that an alert looks at, ascending."""
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
