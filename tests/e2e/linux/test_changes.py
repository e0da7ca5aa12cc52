"""The package through its life: restarted, upgraded, broken and mended."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.debian_package import ROOT, newer
from tests.e2e.linux.conftest import CURL, ORDERS, Host
from tests.http.traffic import Traffic, stored
from tests.postgres_server import wait_until

NEWER: Final = "999.0"


def has_acknowledged(traffic: Traffic, orders: int) -> bool:
    return len(traffic.acknowledged) >= orders


def test_it_is_there_again_after_a_reboot_with_its_orders(installed: Host) -> None:
    installed.place("A-1")
    installed.reboot()
    assert installed.has("A-1")


@pytest.mark.parametrize("action", ["restart", "reload"])
def test_it_fails_no_request_while_it_is_told_to(installed: Host, action: str) -> None:
    installed.listen_to_the_network()
    traffic = Traffic(installed)
    traffic.start()
    for number in range(1, 4):
        wait_until(partial(has_acknowledged, traffic, 50 * number))
        installed.run(f"systemctl {action} orders")
    traffic.join()
    assert (traffic.unexpected, traffic.broken) == ([], [])
    assert stored(installed) == traffic.acknowledged


def test_an_upgrade_and_the_way_back_fail_no_request(
    installed: Host, package: Path, tmp_path: Path
) -> None:
    release = newer(package, NEWER, tmp_path)
    installed.listen_to_the_network()
    traffic = Traffic(installed)
    traffic.start()
    wait_until(partial(has_acknowledged, traffic, 50))
    installed.install(release)
    assert installed.run("orders --version") == f"orders {NEWER}\n"
    wait_until(partial(has_acknowledged, traffic, len(traffic.acknowledged) + 50))
    installed.install(package)
    assert NEWER not in installed.run("orders --version")
    wait_until(partial(has_acknowledged, traffic, len(traffic.acknowledged) + 50))
    traffic.join()
    assert (traffic.unexpected, traffic.broken) == ([], [])
    assert stored(installed) == traffic.acknowledged


def test_a_wrong_configuration_is_told_and_the_right_one_starts(installed: Host) -> None:
    installed.run("echo 'nonsense = 1' >>/etc/orders/orders.toml")
    assert installed.attempt("systemctl restart orders").returncode != 0
    assert "nonsense is no setting" in installed.run("journalctl --unit orders --output cat")
    installed.run("sed --in-place '$d' /etc/orders/orders.toml; systemctl restart orders")
    installed.place("A-1")


def test_what_is_killed_is_back(installed: Host) -> None:
    before = installed.run("systemctl show --property MainPID --value orders")
    installed.run("systemctl kill --signal KILL --kill-whom main orders")
    # Refused by nobody: the sockets stay, and clients wait for the new process.
    installed.place("A-1")
    assert installed.run("systemctl show --property MainPID --value orders") != before


def test_the_check_runs_when_it_is_enabled_and_outlives_an_upgrade(
    installed: Host, package: Path, tmp_path: Path
) -> None:
    assert installed.attempt("systemctl is-enabled orders-check.timer").stdout == "disabled\n"
    installed.run("systemctl start orders-check.service")
    installed.run("systemctl enable --now orders-check.timer")
    installed.install(newer(package, NEWER, tmp_path))
    installed.run("systemctl is-active orders-check.timer; systemctl is-enabled orders-check.timer")


def test_what_the_administrator_wrote_outlives_an_upgrade(
    installed: Host, package: Path, tmp_path: Path
) -> None:
    installed.run("sed --in-place 's/#currency.*/currency = \"EUR\"/' /etc/orders/orders.toml")
    installed.install(newer(package, NEWER, tmp_path))
    assert "EUR" in installed.run(f"{CURL} {ORDERS}/")
    mode = installed.run("stat --format '%a %U:%G' /etc/orders/orders.toml")
    assert mode == "640 root:orders\n"


def test_a_reload_takes_up_the_tokens(installed: Host) -> None:
    installed.run("echo 'tokens_file = \"/etc/orders/tokens\"' >>/etc/orders/orders.toml")
    token = installed.run("orders token shop --scope read --add").strip()
    installed.run("systemctl restart orders")
    ask = f"{CURL} --header 'Authorization: Bearer {token}' {ORDERS}/orders"
    assert installed.run(ask) == "[]"
    installed.run("orders token --revoke shop; systemctl reload orders")
    assert "401" in installed.attempt(ask).stderr
    installed.run("rm /etc/orders/tokens")


@pytest.fixture
def postgresql(installed: Host) -> Iterator[Host]:
    """The host with PostgreSQL, which goes in the end."""
    installed.run("apt-get install --yes --no-install-recommends postgresql")
    yield installed
    installed.run("apt-get purge --yes 'postgresql*' && rm -rf /var/lib/postgresql")


def test_secrets_reach_the_service_as_credentials(postgresql: Host) -> None:
    """Those of systemd, which only root can read on the disk: a password of PostgreSQL here."""
    postgresql.run(
        "cd /; runuser --user postgres -- psql --quiet --set ON_ERROR_STOP=1 <<'SQL'\n"
        "CREATE ROLE ordersuser LOGIN PASSWORD 'first';\n"
        "CREATE DATABASE ordersdb OWNER ordersuser ENCODING 'UTF8' TEMPLATE template0;\n"
        "SQL\n"
        "install --directory --mode 700 /etc/orders/credentials\n"
        "umask 077; echo first >/etc/orders/credentials/database-password\n"
        "export DATABASE_PASSWORD_FILE=/etc/orders/credentials/database-password\n"
        "orders migrate --database-url postgresql://ordersuser@127.0.0.1/ordersdb\n"
    )
    example = (ROOT / "debian/examples/credentials.conf").read_text()
    drop_in = re.sub(
        r"DATABASE_URL=\S+",
        "DATABASE_URL=postgresql://ordersuser@127.0.0.1/ordersdb",
        re.sub(r"(?m)^LoadCredential=(ca|client).*\n", "", example),
    )
    for unit in ("orders", "orders-check"):
        folder = f"/etc/systemd/system/{unit}.service.d"
        postgresql.run(f"mkdir -p {folder}; cat >{folder}/credentials.conf <<'EOF'\n{drop_in}EOF")
    postgresql.run("systemctl daemon-reload; systemctl restart orders")
    postgresql.place("A-1")
    postgresql.run("systemctl start orders-check")
    postgresql.run(
        "cd /; runuser --user postgres -- psql -c \"ALTER ROLE ordersuser PASSWORD 'second'\"\n"
        "echo second >/etc/orders/credentials/database-password\n"
        "systemctl restart orders\n"
    )
    assert postgresql.has("A-1")
