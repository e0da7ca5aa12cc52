"""The package right after installation, unconfigured."""

import json
import re
from pathlib import Path

from tests.debian_package import ROOT
from tests.e2e.linux.conftest import CURL, ORDERS, PROBES, Host


def test_it_answers_within_5_s_of_its_installation(running: Host) -> None:
    running.run("timeout 5 sh -c 'until systemctl --quiet is-active orders; do sleep 0.1; done'")
    assert json.loads(running.run(f"{CURL} {PROBES}/readyz"))["status"] == "ready"
    assert "<title>Orders" in running.run(f"{CURL} {ORDERS}/")
    running.place("A-1")
    assert running.has("A-1")


def test_its_autopkgtest_passes(running: Host) -> None:
    """The script that autopkgtest would run."""
    running.put(ROOT / "debian/tests/service", "~/service")
    running.run("export AUTOPKGTEST_TMP=$(mktemp --directory); sh ~/service 2>&1")


def test_systemd_rates_its_exposure_1_of_10_or_less(running: Host) -> None:
    for unit in ("orders.service", "orders-check.service"):
        running.run(f"systemd-analyze security --threshold=10 --no-pager {unit}")


def test_every_process_exports_kernel_metrics(running: Host) -> None:
    told = running.run(f"{CURL} {PROBES}/metrics").splitlines()
    for process in ("parent", "worker-0", "operations"):
        for name in ("process_resident_memory_bytes", "process_start_time_seconds"):
            assert any(line.startswith(f'{name}{{process="{process}"}} ') for line in told)


def test_systemd_accepts_its_units(running: Host) -> None:
    units = "orders.service orders.socket orders-operations.socket orders-check.timer"
    assert running.run(f"systemd-analyze verify --man=no {units} 2>&1") == ""


def test_it_is_compiled_for_the_hosts_python(running: Host) -> None:
    tag = running.run("/usr/bin/python3 -c 'import sys; print(sys.implementation.cache_tag)'")
    compiled = f"/usr/lib/orders/orders_cli/__pycache__/main.{tag.strip()}.pyc"
    running.run(f"test -f {compiled}")


def test_a_command_uses_the_service_s_configuration(running: Host) -> None:
    running.place("A-1")
    exported = running.run("runuser --user orders -- orders export")
    assert '{"id":"A-1","amount":12.30}' in exported.splitlines()


def test_other_users_cannot_read_the_configuration_or_the_orders(running: Host) -> None:
    for path in ("/etc/orders/orders.toml", "/var/lib/orders/orders.db"):
        ended = running.attempt(f"runuser --user nobody -- cat {path}")
        assert "Permission denied" in ended.stderr


def test_try_package_places_an_order(running: Host, package: Path) -> None:
    """CI does this in a container of each Debian release."""
    for script in ("require", "smoke", "try-package"):
        running.put(ROOT / "scripts" / script, f"~/try/scripts/{script}")
    running.put(ROOT / "Makefile", "~/try/Makefile")
    running.put(package, f"~/try/dist/{package.name}")
    said = running.run("cd ~/try && chmod +x scripts/* && scripts/require make && make try-package")
    assert re.search(
        r"^smoke: placed the order \S+ at http://127.0.0.1:8000 and", said, re.MULTILINE
    )
