"""Every alert fires when it should, and only then, according to promtool."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
import yaml
from attrs import frozen

from monitoring.alerts import Alert
from monitoring.files import rule_file
from monitoring.rules import groups
from tests.monitoring.prometheus import program

DAY: Final = 86400
INSTANCE: Final = 'instance="10.0.0.7:9000", job="orders"'
POD: Final = 'namespace="orders", pod="orders-5d9c", instance="10.0.0.7:9000", job="orders"'
REQUESTS: Final = "orders_http_request_duration_seconds"
NODE_INSTANCE: Final = 'instance="db:9100", job="node"'
BACKUP: Final = f"orders_backup_last_success_timestamp_seconds{{{NODE_INSTANCE}}}"
NODE: Final = f'device="/dev/vda1", fstype="ext4", {NODE_INSTANCE}, mountpoint="/"'
NODE_DISK: Final = ("node_filesystem_avail_bytes", "node_filesystem_size_bytes")
CLAIM: Final = (
    'job="kubelet", namespace="orders", persistentvolumeclaim="data-orders-postgres-0", '
    'node="worker-1"'
)
CRON_JOB: Final = (
    'job="kube-state-metrics", namespace="orders", cronjob="orders-backup", '
    'instance="10.0.0.9:8080"'
)


@frozen
class Case:
    """A test case for promtool.

    Attributes:
        alert: The alert.
        fires: How many times it fires at the end: 0 or 1.
        series: The scraped series, with values in promtool's notation.
        at: The time of evaluation.
        every: The interval between values.
        story: A word on the case, for the test's name.
    """

    alert: str
    fires: int
    series: Mapping[str, str]
    at: str
    every: str = "1m"
    story: str = ""

    def written(self, rules: Path) -> str:
        """Return it in promtool's format."""
        test = {
            "interval": self.every,
            "input_series": [
                {"series": name, "values": values} for name, values in self.series.items()
            ],
            "promql_expr_test": [
                {
                    "expr": f'count(ALERTS{{alertname="{self.alert}", alertstate="firing"}}) '
                    "or vector(0)",
                    "eval_time": self.at,
                    "exp_samples": [{"labels": "{}", "value": self.fires}],
                }
            ],
        }
        return yaml.safe_dump(
            {
                "rule_files": [str(rules)],
                "evaluation_interval": self.every,
                # Evaluate recordings before alerts: with such long intervals, order matters.
                "group_eval_order": [group.name for group in groups()],
                "tests": [test],
            }
        )


def answers(good: int, bad: int, count: int = 1000) -> Mapping[str, str]:
    """Return series of successful and failed requests in each interval."""
    route = f'{INSTANCE}, route="/orders", method="POST"'
    return {
        f'{REQUESTS}_count{{{route}, status="201"}}': f"0+{good}x{count}",
        f'{REQUESTS}_count{{{route}, status="503"}}': f"0+{bad}x{count}",
    }


def speeds(fast: int, slow: int, count: int = 1000) -> Mapping[str, str]:
    """Return series of look-ups within 100 ms, and of slower ones."""
    route = f'{INSTANCE}, route="/orders/<id>", method="GET", status="200"'
    every = fast + slow
    return {
        f'{REQUESTS}_bucket{{{route}, le="0.1"}}': f"0+{fast}x{count}",
        f'{REQUESTS}_bucket{{{route}, le="+Inf"}}': f"0+{every}x{count}",
        f"{REQUESTS}_count{{{route}}}": f"0+{every}x{count}",
    }


def burns(name: str, at: str, every: str, bad: int, borne: int) -> tuple[Case, ...]:
    """Return cases for both objectives: one that burns the budget, and one that does not."""
    return (
        Case(f"OrdersAvailability{name}", 1, answers(10_000 - bad, bad), at, every),
        Case(f"OrdersAvailability{name}", 0, answers(10_000 - borne, borne), at, every),
        Case(f"OrdersLatency{name}", 1, speeds(10_000 - 10 * bad, 10 * bad), at, every),
        Case(f"OrdersLatency{name}", 0, speeds(10_000 - 10 * borne, 10 * borne), at, every),
    )


def unavailable(reason: str, values: str) -> Mapping[str, str]:
    return {f'orders_store_unavailable_total{{{INSTANCE}, reason="{reason}"}}': values}


def certificate(name: str, days: float) -> Mapping[str, str]:
    series = f'orders_certificate_expiry_timestamp_seconds{{{INSTANCE}, certificate="{name}"}}'
    return {series: f"{days * DAY}x10"}


def disk(free: str, *names: str, labels: str) -> Mapping[str, str]:
    """Return series of a disk with 1,000 bytes, of which some are free."""
    available, size = names
    return {f"{available}{{{labels}}}": free, f"{size}{{{labels}}}": "1000x800"}


def sqlite_disk(free: str) -> Mapping[str, str]:
    return disk(
        free, "orders_store_disk_free_bytes", "orders_store_disk_size_bytes", labels=INSTANCE
    )


def host_disk(free: str, labels: str = NODE) -> Mapping[str, str]:
    """Return series of a database host's disk, including the metric of its backups."""
    return {**disk(free, *NODE_DISK, labels=labels), BACKUP: "0x800"}


def volume(free: str, labels: str = CLAIM) -> Mapping[str, str]:
    names = ("kubelet_volume_stats_available_bytes", "kubelet_volume_stats_capacity_bytes")
    return disk(free, *names, labels=labels)


OUTAGE_THAT_IS_OVER: Final = {
    f'{REQUESTS}_count{{{INSTANCE}, route="/orders", method="POST", status="201"}}': "0+100x90",
    f'{REQUESTS}_count{{{INSTANCE}, route="/orders", method="POST", status="503"}}': (
        "0+100x30 3000x60"
    ),
}
LAST_JOB: Final = f"kube_cronjob_status_last_successful_time{{{CRON_JOB}}}"
MADE_JOB: Final = f"kube_cronjob_created{{{CRON_JOB}}}"
BREAKER: Final = f"orders_store_breaker_open{{{INSTANCE}}}"
NEEDED: Final = f"orders_store_schema_version_needed{{{INSTANCE}}}"
APPLIED: Final = f"orders_store_schema_version{{{INSTANCE}}}"

CASES: Final = (
    *burns("BudgetBurn1h", "70m", "1m", bad=150, borne=140),
    Case("OrdersAvailabilityBudgetBurn1h", 0, OUTAGE_THAT_IS_OVER, "50m", story="over"),
    Case("OrdersAvailabilityBudgetBurn1h", 0, answers(0, 0), "70m", story="no requests"),
    *burns("BudgetBurn6h", "400m", "10m", bad=65, borne=55),
    *burns("BudgetBurn1d", "26h", "30m", bad=35, borne=25),
    *burns("BudgetBurn3d", "76h", "1h", bad=12, borne=8),
    Case("OrdersDown", 1, {f"up{{{INSTANCE}}}": "0x10"}, "5m"),
    Case("OrdersDown", 1, {'up{instance="db:9100", job="node"}': "1x10"}, "5m", story="none"),
    Case(
        "OrdersDown",
        0,
        {f"up{{{INSTANCE}}}": "0x10", 'up{instance="10.0.0.8:9000", job="orders"}': "1x10"},
        "5m",
    ),
    Case("OrdersInstanceDown", 1, {f"up{{{POD}}}": "1x2 0x10"}, "10m"),
    Case("OrdersInstanceDown", 0, {f"up{{{POD}}}": "1x2 0x3 1x10"}, "10m"),
    Case("OrdersWorkersRestarting", 1, {f"orders_worker_restarts_total{{{POD}}}": "0+1x4"}, "4m"),
    Case(
        "OrdersWorkersRestarting", 0, {f"orders_worker_restarts_total{{{POD}}}": "0x5 1x20"}, "15m"
    ),
    Case("OrdersDatabaseAway", 1, {f"orders_store_up{{{INSTANCE}}}": "1x3 0x5"}, "7m"),
    Case("OrdersDatabaseAway", 0, {f"orders_store_up{{{INSTANCE}}}": "1x3 0 1x5"}, "7m"),
    Case("OrdersBreakerOpen", 1, {BREAKER: "0x3 2x9", **unavailable("tls", "0x3 0+9x9")}, "9m"),
    Case("OrdersBreakerOpen", 0, {BREAKER: "1x9", **unavailable("tls", "5x9")}, "9m", story="idle"),
    Case("OrdersPoolExhausted", 1, unavailable("pool", "0x3 0+4x20"), "15m"),
    Case("OrdersPoolExhausted", 0, unavailable("pool", "0x3 4x20"), "15m"),
    Case("OrdersPoolExhausted", 0, unavailable("timeout", "0+4x20"), "15m", story="other reason"),
    Case("OrdersStoreExhausted", 1, unavailable("exhausted", "0x3 0+1x5"), "7m"),
    Case("OrdersStoreExhausted", 0, unavailable("exhausted", "0x3 1x20"), "15m"),
    Case("OrdersMigrationPending", 1, {APPLIED: "2x5", NEEDED: "3x5"}, "5m"),
    Case("OrdersMigrationPending", 0, {APPLIED: "4x5", NEEDED: "3x5"}, "5m"),
    Case("OrdersCertificateExpires21d", 1, certificate("ca", 20.9), "5m"),
    Case("OrdersCertificateExpires21d", 0, certificate("ca", 21.1), "5m"),
    Case("OrdersCertificateExpires7d", 1, certificate("client", 6.9), "5m"),
    Case("OrdersCertificateExpires7d", 0, certificate("client", 7.1), "5m"),
    Case("OrdersCertificateExpires21d", 0, certificate("client", 6.9), "5m", story="7d instead"),
    Case("OrdersCertificateExpires1d", 1, certificate("server", 0.9), "5m"),
    Case("OrdersCertificateExpires1d", 1, certificate("server", 0), "5m", story="it has expired"),
    Case("OrdersCertificateExpires1d", 0, certificate("server", 1.1), "5m"),
    Case("OrdersSqliteDiskFilling", 1, sqlite_disk("600-20x40"), "9h", "20m"),
    Case("OrdersSqliteDiskFilling", 0, sqlite_disk("200x40"), "9h", "20m"),
    Case("OrdersSqliteDiskFull", 1, sqlite_disk("90x20"), "10m"),
    Case("OrdersSqliteDiskFull", 0, sqlite_disk("110x20"), "10m"),
    Case("OrdersPostgresqlDiskFilling", 1, host_disk("600-20x40"), "9h", "20m"),
    Case("OrdersPostgresqlDiskFilling", 0, host_disk("900-20x40"), "9h", "20m"),
    Case("OrdersPostgresqlDiskFilling", 1, volume("600-20x40"), "9h", "20m", story="a volume"),
    Case("OrdersPostgresqlDiskFull", 1, host_disk("90x20"), "10m"),
    Case("OrdersPostgresqlDiskFull", 1, volume("90x20"), "10m", story="a volume"),
    Case("OrdersPostgresqlDiskFull", 0, {**host_disk("110x20"), **volume("110x20")}, "10m"),
    Case(
        "OrdersPostgresqlDiskFull",
        0,
        {
            **host_disk("9x20", NODE.replace('"/"', '"/boot"')),
            **disk("9x20", *NODE_DISK, labels=NODE.replace("db:", "app1:")),
            **volume("9x20", CLAIM.replace("data-orders-postgres-0", "cache-0")),
        },
        "10m",
        story="other disks",
    ),
    Case("OrdersBackupTooOld", 1, {BACKUP: "0x1000"}, "29h", "1h"),
    Case("OrdersBackupTooOld", 0, {BACKUP: f"0x20 {DAY // 2}x1000"}, "29h", "1h"),
    Case("OrdersBackupTooOld", 1, {LAST_JOB: "0x1000", MADE_JOB: "0x1000"}, "29h", "1h", "job"),
    Case("OrdersBackupTooOld", 0, {LAST_JOB: f"{DAY}x1000", MADE_JOB: "0x1000"}, "29h", "1h"),
    Case("OrdersBackupTooOld", 1, {MADE_JOB: "0x1000"}, "29h", "1h", "no job has ever ended"),
    Case("OrdersBackupTooOld", 0, {MADE_JOB: "0x1000"}, "25h", "1h", "a new job"),
)


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of the rule file."""
    path = tmp_path_factory.mktemp("rules") / "orders.rules.yaml"
    path.write_text(rule_file(), "utf-8")
    return path


@pytest.mark.parametrize(
    "case",
    CASES,
    ids=lambda case: f"{case.alert}-{'fires' if case.fires else 'is silent'} {case.story}".strip(),
)
def test_an_alert_fires_only_when_it_should(case: Case, rules: Path, tmp_path: Path) -> None:
    test = tmp_path / "case.yaml"
    test.write_text(case.written(rules), "utf-8")
    ended = subprocess.run(
        [program("promtool"), "test", "rules", test], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_every_alert_has_a_firing_and_a_silent_case() -> None:
    alerts = {rule.name for group in groups() for rule in group.rules if isinstance(rule, Alert)}
    for fires in (1, 0):
        assert {case.alert for case in CASES if case.fires == fires} == alerts


@pytest.mark.parametrize("factor", [1, 30])
def test_promtool_accepts_the_rules(factor: int, tmp_path: Path) -> None:
    path = tmp_path / "orders.rules.yaml"
    path.write_text(rule_file(factor), "utf-8")
    ended = subprocess.run(
        [program("promtool"), "check", "rules", path], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
