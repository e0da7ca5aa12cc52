"""The playbooks on one host in every group, with certificates from another CA."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.debian_package import ROOT, run
from tests.e2e.linux.conftest import CURL, PROBES, Host
from tests.e2e.linux.fleet import ALONE, Fleet, new_single_host

pytestmark = pytest.mark.xdist_group("single host")

BACKUPS: Final = "/var/backups/orders"
REACHED: Final = ["203.0.113.0/24", "192.0.2.7/32"]
WATCHERS: Final = ["198.51.100.7/32", "2001:db8::7/128"]
WEBHOOK: Final = "127.0.0.1:9099"
# Records what it receives.
LISTENER: Final = f"""\
systemd-run --quiet --unit=listener --property=WorkingDirectory=/root python3 -c '
from http.server import BaseHTTPRequestHandler, HTTPServer
class Listener(BaseHTTPRequestHandler):
    def do_POST(self):
        with open("told", "ab") as told:
            told.write(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()
host, port = "{WEBHOOK}".split(":")
HTTPServer((host, int(port)), Listener).serve_forever()
'
"""


def given(authority: Path, name: str) -> dict[str, str]:
    """Return the paths of a certificate that the CA has issued."""
    return {
        "certificate": str(authority / name / "tls.crt"),
        "key": str(authority / name / "tls.key"),
        "authority": str(authority / "ca.crt"),
        "crl": str(authority / "ca.crl"),
    }


@pytest.fixture(scope="module")
def alone(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """The host, set up by site.yml."""
    folder = tmp_path_factory.mktemp("alone")
    authority, certificates = folder / "authority", ROOT / "scripts/certificates"
    run(certificates, authority, "authority")
    run(certificates, authority, "issue", "server", "30", "database", "localhost")
    run(certificates, authority, "issue", "client", "30", "shop")
    run(certificates, authority, "list")
    with new_single_host(folder, package) as fleet:
        fleet.write_inventory(
            orders_database_host="localhost",
            orders_certificate=given(authority, "shop"),
            postgres_certificate=given(authority, "database"),
            postgres_client_names=["shop"],
            postgres_database="shop",
            postgres_service="shopkeeper",
            postgres_owner="shop_owner",
            postgres_clients=["127.0.0.1/32", "::1/128"],
            postgres_backup_keep_days=3,
            postgres_backup_keep_least=2,
            orders_allowed_addresses=REACHED,
            orders_operations_clients=WATCHERS,
            monitoring_node_exporter_clients=WATCHERS,
            monitoring_webhooks=[f"http://{WEBHOOK}/"],
        )
        fleet.play("site.yml")
        yield fleet


@pytest.fixture
def host(alone: Fleet) -> Host:
    """The host, with everything on it."""
    return alone.hosts[ALONE]


def test_it_stores_orders(host: Host) -> None:
    host.place("A-1")
    assert host.has("A-1")


def test_a_second_run_changes_nothing(alone: Fleet) -> None:
    assert alone.play("site.yml").changed == {ALONE: 0}


def test_the_given_certificates_are_used(host: Host) -> None:
    seen = host.run(
        "cd /; runuser --user postgres -- psql --no-psqlrc --tuples-only --no-align --command "
        '"SELECT DISTINCT version, client_dn, usename FROM pg_stat_ssl '
        "JOIN pg_stat_activity USING (pid) WHERE datname = 'shop' AND ssl\""
    )
    assert seen == "TLSv1.3|/CN=shop|shopkeeper\n"


def test_no_ca_is_created(alone: Fleet) -> None:
    assert not (alone.folder / "pki").exists()


def test_prometheus_scrapes_a_service_on_loopback(host: Host) -> None:
    listening = host.run("ss --no-header --tcp --listening --numeric 'sport = 9000'")
    assert "127.0.0.1:9000" in listening
    host.run(
        "timeout 60 sh -c \"until curl --silent '127.0.0.1:9090/api/v1/query?query=sum(up)'"
        ' | grep --quiet \'"4"\'; do sleep 1; done"'
    )


def test_each_unit_allows_the_configured_addresses(host: Host) -> None:
    allowed = {
        "orders.service": REACHED,
        "orders-operations.socket": WATCHERS,
        "prometheus-node-exporter.service": WATCHERS,
    }
    for unit, addresses in allowed.items():
        show = f"systemctl show --value {unit} --property"
        assert set(host.run(f"{show}=IPAddressDeny").split()) == {"0.0.0.0/0", "::/0"}
        listed = set(host.run(f"{show}=IPAddressAllow").split())
        assert {"127.0.0.0/8", "::1/128", "10.0.0.0/8", *addresses} <= listed


def test_an_alert_reaches_the_webhook(host: Host) -> None:
    host.run(LISTENER)
    host.run("amtool --alertmanager.url=http://127.0.0.1:9093 alert add alertname=Tried")
    host.run("timeout 120 sh -c 'until grep --quiet Tried /root/told; do sleep 1; done'")


def test_old_backups_are_removed_except_the_newest(host: Host) -> None:
    host.run(f"rm --force {BACKUPS}/*.dump")
    for age in (9, 8, 7):
        host.run(
            f"day=$(date --utc --date='{age} days ago' +%Y%m%dT%H%M%SZ)\n"
            f"touch --date='{age} days ago' {BACKUPS}/shop-$day.dump"
        )
    host.run("systemctl start orders-backup.service")
    ages = host.run(f"find {BACKUPS} -name 'shop-*.dump' -printf '%AY-%Am-%Ad\\n' | sort").split()
    newest = host.run("date --utc +%F --date='7 days ago'; date --utc +%F").split()
    assert ages == newest


def test_a_restore_brings_back_the_orders_of_the_backup(alone: Fleet, host: Host) -> None:
    host.place("B-1")
    host.run("systemctl start orders-backup.service")
    host.place("B-2")
    alone.play("restore.yml", backup="latest")
    assert host.has("B-1")
    assert host.attempt(f"{CURL} http://127.0.0.1:8000/orders/B-2").returncode != 0
    host.run(f"{CURL} {PROBES}/readyz")
