"""The package through restarts, upgrades and failures."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest
from attrs import evolve

from tests.debian_package import ROOT, newer
from tests.e2e.linux.conftest import CURL, ORDERS, PROBES, Host
from tests.http.traffic import Traffic, stored
from tests.postgres_server import wait_until

NEWER: Final = "999.0"


def has_acknowledged(traffic: Traffic, orders: int) -> bool:
    return len(traffic.acknowledged) >= orders


def test_it_serves_its_orders_after_a_reboot(installed: Host) -> None:
    installed.place("A-1")
    installed.reboot()
    assert installed.has("A-1")


@pytest.mark.parametrize("action", ["restart", "reload"])
def test_a_restart_and_a_reload_fail_no_request(installed: Host, action: str) -> None:
    installed.listen_to_the_network()
    traffic = Traffic(installed)
    traffic.start()
    for number in range(1, 4):
        wait_until(partial(has_acknowledged, traffic, 50 * number))
        installed.run(f"systemctl {action} orders")
    traffic.join()
    traffic.assert_each_created()
    assert stored(installed) == traffic.acknowledged


def test_an_upgrade_and_a_downgrade_fail_no_request(
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
    traffic.assert_each_created()
    assert stored(installed) == traffic.acknowledged


def test_a_wrong_configuration_is_reported_and_a_fixed_one_starts(installed: Host) -> None:
    installed.run("echo 'nonsense = 1' >>/etc/orders/orders.toml")
    assert installed.attempt("systemctl restart orders").returncode != 0
    assert "nonsense is not a setting" in installed.run("journalctl --unit orders --output cat")
    installed.run("sed --in-place '$d' /etc/orders/orders.toml; systemctl restart orders")
    installed.place("A-1")


def test_a_killed_service_is_restarted(installed: Host) -> None:
    before = installed.run("systemctl show --property MainPID --value orders")
    installed.run("systemctl kill --signal KILL --kill-whom main orders")
    # The sockets stay open, so clients wait for the new process instead of being refused.
    installed.place("A-1")
    assert installed.run("systemctl show --property MainPID --value orders") != before


def main_pid(host: Host) -> str:
    return host.run("systemctl show --property MainPID --value orders").strip()


def has_new_main_pid(host: Host, pid: str) -> bool:
    return main_pid(host) not in {pid, "0"}


@pytest.fixture
def watched(installed: Host) -> Iterator[Host]:
    """A service with two workers under load; acknowledged orders must be stored at the end."""
    installed.run("sed --in-place 's/^#workers.*/workers = 2/' /etc/orders/orders.toml")
    installed.listen_to_the_network()
    traffic = Traffic(installed)
    traffic.start()
    wait_until(partial(has_acknowledged, traffic, 50))
    yield installed
    traffic.join()
    assert traffic.acknowledged.items() <= stored(installed).items()
    installed.place("A-1")


def test_a_worker_that_hangs_is_replaced(watched: Host) -> None:
    parent, worker = main_pid(watched), watched.run("pgrep --exact worker-1").strip()
    watched.run(f"kill -STOP {worker}")
    watched.run(f"timeout 60 sh -c 'while test -e /proc/{worker}; do sleep 0.5; done'")
    assert "a process hangs" in watched.errors()
    assert main_pid(watched) == parent
    watched.run("timeout 60 sh -c 'until pgrep --exact worker-1; do sleep 0.5; done'")


def test_a_main_process_that_hangs_is_restarted_by_systemd(watched: Host) -> None:
    parent = main_pid(watched)
    watched.run(f"kill -STOP {parent}")
    wait_until(partial(has_new_main_pid, watched, parent), 90)
    assert "Watchdog timeout" in watched.errors()


def test_a_service_that_does_not_answer_itself_is_restarted_by_systemd(watched: Host) -> None:
    """Covers the case that the parent cannot replace the process that does not answer."""
    parent = main_pid(watched)
    # Leave the parent one descriptor: enough to talk to systemd, too few to start a server.
    watched.run(
        f"cd /proc/{parent}/fd; open=(*); last=$(printf '%s\\n' * | sort -n | tail -1)\n"
        "limit=$(( ${#open[@]} > last ? ${#open[@]} + 1 : last + 1 ))\n"
        f"prlimit --pid {parent} --nofile=$limit:$limit; pkill -KILL --exact operations"
    )
    wait_until(partial(has_new_main_pid, watched, parent), 120)
    assert "Watchdog timeout" in watched.errors()
    assert "the service manager cannot be reached" not in watched.errors()


def test_an_unavailable_database_does_not_restart_the_service(installed: Host) -> None:
    """The outage is longer than the watchdog's interval, which is shortened here."""
    installed.run(
        "mkdir -p /etc/systemd/system/orders.service.d\n"
        "cat >/etc/systemd/system/orders.service.d/away.conf <<'EOF'\n"
        "[Service]\n"
        "Environment=DATABASE_URL=postgresql://ordersuser@127.0.0.1:1/ordersdb\n"
        "WatchdogSec=5\n"
        "EOF\n"
        "systemctl daemon-reload; systemctl restart orders"
    )
    parent = main_pid(installed)
    installed.run("sleep 25")
    assert main_pid(installed) == parent
    assert json.loads(installed.run(f"{CURL} {PROBES}/livez"))["status"] == "live"
    assert "503" in installed.attempt(f"{CURL} {PROBES}/readyz").stderr


def test_an_enabled_check_runs_and_survives_an_upgrade(
    installed: Host, package: Path, tmp_path: Path
) -> None:
    assert installed.attempt("systemctl is-enabled orders-check.timer").stdout == "disabled\n"
    installed.run("systemctl start orders-check.service")
    installed.run("systemctl enable --now orders-check.timer")
    installed.install(newer(package, NEWER, tmp_path))
    installed.run("systemctl is-active orders-check.timer; systemctl is-enabled orders-check.timer")


def test_an_edited_configuration_survives_an_upgrade(
    installed: Host, package: Path, tmp_path: Path
) -> None:
    installed.run("sed --in-place 's/#currency.*/currency = \"EUR\"/' /etc/orders/orders.toml")
    installed.install(newer(package, NEWER, tmp_path))
    assert "EUR" in installed.run(f"{CURL} {ORDERS}/")
    mode = installed.run("stat --format '%a %U:%G' /etc/orders/orders.toml")
    assert mode == "640 root:orders\n"


def test_a_reload_picks_up_changed_tokens(installed: Host) -> None:
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
    """The host with PostgreSQL, which is removed at the end."""
    installed.run("apt-get install --yes --no-install-recommends postgresql")
    yield installed
    installed.run(
        "apt-get purge --yes 'postgresql*'; rm -rf /var/lib/postgresql /etc/postgresql ~/pki\n"
        "sed --in-place '/db.example/d' /etc/hosts"
    )


# PostgreSQL over mutual TLS, with the host name and the secrets of the example.
CREDENTIALS: Final = """
echo 127.0.0.1 db.example >>/etc/hosts
pki=~/pki
for step in authority "issue server 30 db.example db.example" "issue client 30 ordersuser"; do
  ~/certificates $pki $step
done
install --directory --mode 700 /etc/orders/credentials
cp $pki/ca.crt /etc/orders/credentials/ca.crt
cp $pki/ordersuser/tls.crt /etc/orders/credentials/client.crt
cp $pki/ordersuser/tls.key /etc/orders/credentials/client.key
(umask 077; echo first >/etc/orders/credentials/database-password)

cd /etc/postgresql/*/main
install --owner postgres --mode 600 $pki/db.example/tls.crt $pki/db.example/tls.key $pki/ca.crt .
cat >conf.d/tls.conf <<EOF
ssl_cert_file = '$PWD/tls.crt'
ssl_key_file = '$PWD/tls.key'
ssl_ca_file = '$PWD/ca.crt'
EOF
sed --in-place '1i hostssl all ordersuser all scram-sha-256 clientcert=verify-full' pg_hba.conf
sed --in-place '2i host all ordersuser all reject' pg_hba.conf
systemctl restart postgresql
cd /
runuser --user postgres -- psql --quiet --set ON_ERROR_STOP=1 <<SQL
CREATE ROLE orders_owner LOGIN PASSWORD 'owner';
CREATE ROLE ordersuser LOGIN PASSWORD 'first';
CREATE DATABASE ordersdb OWNER orders_owner ENCODING 'UTF8' TEMPLATE template0;
SQL
(umask 077; echo owner >~/owner-password)
DATABASE_PASSWORD_FILE=~/owner-password orders migrate --grant-to ordersuser \
  --database-url postgresql://orders_owner@127.0.0.1/ordersdb
"""


def test_secrets_reach_the_service_as_credentials(postgresql: Host) -> None:
    """Uses the package's example of systemd credentials, which only root can read on disk."""
    postgresql.put(ROOT / "scripts/certificates", "~/certificates")
    postgresql.run(f"chmod +x ~/certificates; apt-get install --yes openssl\n{CREDENTIALS}")
    token = postgresql.run(
        "ORDERS_TOKENS_FILE=/etc/orders/credentials/tokens"
        " orders token shop --scope read --scope write --add"
    )
    for unit in ("orders", "orders-check"):
        postgresql.run(
            f"install -D --mode 644 --target-directory /etc/systemd/system/{unit}.service.d"
            " /usr/share/doc/orders/examples/credentials.conf"
        )
    others = "runuser --user orders -- cat /etc/orders/credentials/client.key"
    assert "Permission denied" in postgresql.attempt(others).stderr
    postgresql.run("systemctl daemon-reload; systemctl restart orders")
    assert "401" in postgresql.attempt(f"{CURL} {ORDERS}/orders").stderr
    client = evolve(postgresql, token=token.strip())
    client.place("A-1")
    connected_by = postgresql.run(
        "cd /; runuser --user postgres -- psql --tuples-only --no-align ordersdb <<'SQL'\n"
        "SELECT DISTINCT version, client_dn FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)\n"
        "WHERE usename = 'ordersuser'\nSQL\n"
    )
    assert connected_by == "TLSv1.3|/CN=ordersuser\n"
    postgresql.run("systemctl start orders-check")
    postgresql.run(
        "cd /; runuser --user postgres -- psql -c \"ALTER ROLE ordersuser PASSWORD 'second'\"\n"
        "echo second >/etc/orders/credentials/database-password\n"
        "systemctl restart orders\n"
    )
    assert client.has("A-1")
