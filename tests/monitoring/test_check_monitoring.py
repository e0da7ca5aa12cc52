"""`make check-monitoring` passes only if Prometheus and Alertmanager watch Orders."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest
from attrs import frozen

from tests.debian_package import ROOT
from tests.monitoring.prometheus import alertmanager, notified, prometheus
from tests.postgres_server import HOST, free_port, wait_until
from tests.service_process import running_service

_RULES: Final = """
groups:
  - name: orders.test
    rules:
      - alert: OrdersTest
        expr: vector(1)
"""


def check(prometheus_url: str, alertmanager_url: str, alert: str = "") -> str:
    """Run it as the workflow does, with shorter time limits; return its errors."""
    ended = subprocess.run(
        ("make", "--silent", "check-monitoring"),
        cwd=ROOT,
        env={
            **os.environ,
            "PROMETHEUS": prometheus_url,
            "ALERTMANAGER": alertmanager_url,
            "ALERT": alert,
            "WAIT": "60" if alert != "OrdersNever" else "6",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert bool(ended.returncode) == bool(ended.stderr)
    return ended.stderr


@frozen
class Watching:
    prometheus: str
    alertmanager: str


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Watching]:
    """A Prometheus and an Alertmanager that watch a service."""
    with ExitStack() as stack:
        service = stack.enter_context(running_service(f"sqlite:///{tmp_path}/orders.db"))
        pager = stack.enter_context(notified())
        manager = stack.enter_context(alertmanager(tmp_path, pager))
        targets = {"orders": [f"{HOST}:{service.operations_port}"]}
        found = stack.enter_context(prometheus(tmp_path, _RULES, targets, manager))
        wait_until(lambda: bool(found.query("up == 1")) and "OrdersTest" in found.firing())
        yield Watching(found.url, f"http://{manager}")


def test_monitoring_that_scrapes_orders_and_delivers_the_alert_passes(watching: Watching) -> None:
    assert check(watching.prometheus, watching.alertmanager, "OrdersTest") == ""


def test_an_alert_that_does_not_arrive_fails(watching: Watching) -> None:
    said = check(watching.prometheus, watching.alertmanager, "OrdersNever")
    assert re.search(r"not true after \d+ s: the alert OrdersNever has reached Alertmanager", said)


@pytest.mark.parametrize(
    ("rules", "job", "unmet"),
    [
        (_RULES, "other", "every target of the job orders is up"),
        (_RULES, "orders", "every target of the job orders is up"),
        ("groups: []", "alive", "the rules of orders are loaded"),
    ],
)
def test_monitoring_that_misses_orders_or_its_rules_fails(
    tmp_path: Path, rules: str, job: str, unmet: str
) -> None:
    """Covers another job, a target that is down, and no rules."""
    with ExitStack() as stack:
        service = stack.enter_context(running_service(f"sqlite:///{tmp_path}/orders.db"))
        port = service.operations_port if job == "alive" else free_port()
        targets = {job.replace("alive", "orders"): [f"{HOST}:{port}"]}
        found = stack.enter_context(prometheus(tmp_path, rules, targets))
        wait_until(lambda: bool(found.query("up == 1" if job == "alive" else "up")))
        ended = check(found.url, found.url, "OrdersNever")
    assert re.search(rf"not true after \d+ s: {unmet}", ended)
