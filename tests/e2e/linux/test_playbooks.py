"""The playbooks, from bare hosts through upgrades, failures and recovery."""

import json
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import rmtree
from socket import AF_INET, SOCK_DGRAM, socket
from threading import Thread
from typing import Final

import pytest
import yaml
from attrs import frozen

from tests.debian_package import ROOT, newer, run
from tests.e2e.linux.conftest import CURL, ORDERS, PROBES, Host
from tests.e2e.linux.fleet import CLIENT, SERVER, Fleet, new_fleet
from tests.faults.traffic import Traffic, traffic
from tests.postgres_server import wait_until

NEWER: Final = "999.0"
# Leave CPU time for the playbooks.
PAUSE_SECONDS: Final = 0.02
REPLACED: Final = "SELECT datname FROM pg_database WHERE datname LIKE 'ordersdb\\_before\\_%'"
PARTS: Final = "/root/other"
LOG: Final = logging.getLogger(__name__)

pytestmark = pytest.mark.xdist_group("playbooks")


@pytest.fixture(scope="module")
def bare(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Bare hosts, as after Debian's installer."""
    with new_fleet(tmp_path_factory.mktemp("fleet"), package) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def site(bare: Fleet) -> Fleet:
    """Hosts after one run of site.yml."""
    if bare.app1.attempt("dpkg --status orders postgresql-client").returncode != 0:
        bare.play("site.yml")
        bare.app1.run("apt-get install --yes --no-install-recommends postgresql-client")
    return bare


@pytest.fixture
def fleet(site: Fleet) -> Fleet:
    """Both service hosts, ready, with an empty database."""
    for host in (site.app1, site.app2):
        host.run(f"{CURL} --retry 5 --retry-all-errors {PROBES}/readyz")
    site.sql("TRUNCATE orders;")
    return site


def assert_nothing_failed(clients: Traffic[Fleet]) -> None:
    """Assert that no request failed or got 503, and that nothing was lost."""
    clients.assert_kept(clients.service.stored())
    clients.assert_all_answered()


@frozen
class Defect:
    """A defect of a release: a replacement in one of its files."""

    file: str
    pattern: str
    replacement: str

    def in_a_newer(self, package: Path, version: str, folder: Path) -> Path:
        """Build a newer package with this defect."""
        made = newer(package, version, folder)
        file = folder / version / self.file
        changed, times = re.subn(self.pattern, self.replacement, file.read_text(), count=1)
        assert times == 1
        file.write_text(changed)
        run("dpkg-deb", "--root-owner-group", "-Znone", "--build", folder / version, made)
        return made


NEVER_STARTS: Final = Defect(
    "usr/lib/orders/orders_cli/serve.py",
    r"(?m)^from ",
    "raise RuntimeError('broken on purpose')\nfrom ",
)
UNIT_FORBIDS: Final = Defect(
    "usr/lib/systemd/system/orders.service",
    r"(?m)^ProtectHome=.*",
    "InaccessiblePaths=/etc/orders/tls",
)
UNIT_FAILS: Final = Defect(
    "usr/lib/systemd/system/orders.service", r"(?m)^ExecStart=.*", "ExecStart=/usr/bin/false"
)


def test_check_mode_reports_changes_and_makes_none(bare: Fleet) -> None:
    assert bare.play("site.yml", "--check", "--diff").changed["db1"] > 0
    for host in bare.hosts.values():
        assert host.attempt("command -v orders || command -v psql").returncode != 0
    assert not (bare.folder / "pki").exists()


def test_an_order_placed_on_one_host_is_read_from_the_other(fleet: Fleet) -> None:
    fleet.app1.place("A-1")
    assert fleet.app2.has("A-1")


def test_a_request_without_a_token_is_refused(fleet: Fleet) -> None:
    for host in (fleet.app1, fleet.app2):
        answer = host.run(f"curl --silent --write-out '%{{http_code}}' {ORDERS}/orders")
        assert answer.endswith("401")


def test_a_second_run_changes_nothing(fleet: Fleet) -> None:
    nothing = {"app1": 0, "app2": 0, "db1": 0}
    assert fleet.play("site.yml").changed == nothing
    assert fleet.play("site.yml", "--check", "--diff").changed == nothing


def test_the_service_connects_by_tls_1_3_with_its_own_certificate(fleet: Fleet) -> None:
    seen = fleet.sql(
        "SELECT DISTINCT version, client_dn FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
        "WHERE usename = 'ordersuser' ORDER BY client_dn"
    )
    assert seen == ["TLSv1.3|/CN=orders@app1", "TLSv1.3|/CN=orders@app2"]


def test_private_keys_never_leave_their_machines(fleet: Fleet) -> None:
    key = (fleet.folder / "pki/ca.key").read_text().splitlines()[1]
    for host in fleet.hosts.values():
        assert host.attempt(f"grep --recursive --quiet {key} /etc /root /var").returncode == 1
    held = [file for file in fleet.folder.rglob("*") if file.is_file()]
    with_keys = {file.name for file in held if "PRIVATE KEY" in file.read_text()}
    assert with_keys == {"ca.key"}
    assert (fleet.folder / "pki/ca.key").stat().st_mode & 0o777 == 0o600


@pytest.fixture
def authority_key(fleet: Fleet) -> Iterator[Path]:
    """The CA's key, which is restored after a test."""
    key = fleet.folder / "pki/ca.key"
    content = key.read_bytes()
    yield key
    key.write_bytes(content)
    key.chmod(0o600)


def test_a_wrong_passphrase_does_not_change_the_key(fleet: Fleet, authority_key: Path) -> None:
    before = authority_key.read_bytes()
    wrong, right = ({"pki_authority_passphrase": word} for word in ("wrong", "right"))
    played = fleet.attempt("rotate.yml", pki_renew="due", **wrong)
    assert played.status != 0
    assert "passphrase" in played.output
    assert authority_key.read_bytes() == before

    encrypted = authority_key.with_suffix(".encrypted")
    run(
        *("openssl", "ec", "-aes256", "-in", authority_key, "-out", encrypted),
        *("-passout", "pass:right"),
    )
    encrypted.rename(authority_key)
    before = authority_key.read_bytes()
    fleet.play("rotate.yml", pki_renew="due", **right)
    assert fleet.attempt("rotate.yml", pki_renew="due").status != 0
    assert authority_key.read_bytes() == before


def test_a_ca_without_its_key_is_not_replaced(fleet: Fleet, authority_key: Path) -> None:
    authority_key.unlink()
    played = fleet.attempt("rotate.yml", pki_renew="due")
    assert played.status != 0
    assert "restore the key from a backup" in " ".join(played.output.split())
    assert not authority_key.exists()


def connection(fleet: Fleet, user: str = "ordersuser", mode: str = "verify-full") -> str:
    """Return a connection string without a client certificate."""
    return f"host={fleet.db1.address} user={user} dbname=ordersdb sslmode={mode} " + (
        "sslrootcert=/etc/orders/tls/ca.crt" if mode == "verify-full" else ""
    )


def with_certificate(name: str) -> str:
    return f" sslcert={PARTS}/{name}.crt sslkey={PARTS}/{name}.key"


@pytest.fixture(scope="module")
def certificates(site: Fleet) -> None:
    """Certificates on app1: the service's own, and one with another name from the same CA."""
    folder = site.folder
    site.app1.run(
        f"install --directory --mode 700 {PARTS}; cd /etc/orders/tls/client.parts\n"
        f"cp certificate.pem {PARTS}/own.crt; install --mode 600 key.pem {PARTS}/own.key"
    )
    run(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
        *("-nodes", "-days", "1", "-subj", "/CN=orders@elsewhere"),
        *("-addext", "basicConstraints=critical,CA:FALSE"),
        *("-addext", "extendedKeyUsage=clientAuth"),
        *("-CA", folder / "pki/ca.crt", "-CAkey", folder / "pki/ca.key"),
        *("-keyout", folder / "other.key", "-out", folder / "other.crt"),
    )
    for name in ("other.crt", "other.key"):
        site.app1.put(folder / name, f"{PARTS}/{name}")
        (folder / name).unlink()
    site.app1.run(f"chmod 600 {PARTS}/*")


def refusal(host: Host, target: str) -> str:
    """Return PostgreSQL's reason for refusing a connection."""
    ended = host.attempt(f"psql --no-psqlrc --command 'SELECT 1' '{target}'")
    assert ended.returncode != 0, ended.stdout
    return ended.stderr


@pytest.mark.usefixtures("certificates")
def test_postgresql_accepts_a_service_host_only_with_its_certificate(
    fleet: Fleet,
) -> None:
    own, app1 = with_certificate("own"), fleet.app1
    assert "1" in app1.run(f"psql --no-psqlrc --command 'SELECT 1' '{connection(fleet)}{own}'")

    no_certificate = refusal(app1, connection(fleet))
    assert "connection requires a valid client certificate" in no_certificate
    wrong_name = refusal(app1, connection(fleet) + with_certificate("other"))
    assert 'certificate authentication failed for user "ordersuser"' in wrong_name
    plain_text = refusal(app1, connection(fleet, mode="disable"))
    assert re.search(r'pg_hba.conf rejects connection .* "ordersuser".* no encryption', plain_text)
    another_role = refusal(app1, connection(fleet, user="orders_owner") + own)
    assert re.search(r'pg_hba.conf rejects connection .* "orders_owner"', another_role)
    superuser = refusal(app1, connection(fleet, user="postgres") + own)
    assert re.search(r'pg_hba.conf rejects connection .* "postgres"', superuser)
    LOG.info("%s", [no_certificate, wrong_name, plain_text, another_role])


def test_a_rotation_replaces_every_certificate_and_fails_no_request(fleet: Fleet) -> None:
    before = fleet.serials()
    with traffic(fleet, PAUSE_SECONDS) as clients:
        clients.wait_for_orders(200)
        fleet.play("rotate.yml")
        clients.wait_for_orders(200)
    assert_nothing_failed(clients)
    after = fleet.serials()
    assert [name for name in after if after[name] == before[name]] == []
    # After the reload, the service reconnects with the new ones.
    shown = "SELECT DISTINCT client_serial FROM pg_stat_ssl WHERE client_serial > 0"
    wait_until(lambda: set(fleet.sql(shown)) == {after["app1"], after["app2"]})
    assert set(fleet.play("site.yml").changed.values()) == {0}


def test_a_replacement_of_the_ca_fails_no_request(fleet: Fleet) -> None:
    authority = fleet.folder / "pki"
    before = (authority / "ca.crt").read_bytes()
    (authority / "previous").mkdir()
    for name in ("ca.key", "ca.crt", "crl.pem"):
        (authority / name).rename(authority / "previous" / name)
    with traffic(fleet, PAUSE_SECONDS) as clients:
        clients.wait_for_orders(200)
        fleet.play("rotate.yml")
        clients.wait_for_orders(200)
        rmtree(authority / "previous")
        fleet.play("rotate.yml", pki_renew="due")
        clients.wait_for_orders(200)
    assert_nothing_failed(clients)
    assert (authority / "ca.crt").read_bytes() != before
    for host, file in ((fleet.app1, CLIENT), (fleet.app2, CLIENT), (fleet.db1, SERVER)):
        host.run(f"openssl verify -CAfile {Path(file).parent}/ca.crt {file}")
        assert host.run(f"cat {Path(file).parent}/ca.crt") == (authority / "ca.crt").read_text()
    # No earlier connection is left: all use certificates from the new CA.
    shown = "SELECT DISTINCT client_serial FROM pg_stat_ssl WHERE client_serial > 0"
    after = fleet.serials()
    wait_until(lambda: set(fleet.sql(shown)) == {after["app1"], after["app2"]})


def test_a_rotation_makes_up_for_a_missed_reload(fleet: Fleet) -> None:
    fleet.db1.run(f"touch {SERVER}")
    fleet.play("rotate.yml", "--limit", "db1", pki_renew="due")
    (loaded,) = fleet.sql(f"SELECT (pg_stat_file('{SERVER}')).modification <= pg_conf_load_time()")
    assert loaded == "t"


def test_a_stopped_database_is_started(fleet: Fleet) -> None:
    fleet.db1.run("systemctl stop 'postgresql@*'")
    fleet.play("site.yml", "--limit", "db1")
    fleet.app1.place("A-1")


@contextmanager
def downloadable(file: Path, fleet: Fleet) -> Iterator[dict[str, str]]:
    """Serve a package over HTTP; yield the settings that make the playbook download it."""
    with socket(AF_INET, SOCK_DGRAM) as towards:
        towards.connect((fleet.app1.address, 9))
        address = towards.getsockname()[0]
    handler = partial(SimpleHTTPRequestHandler, directory=str(file.parent))
    with ThreadingHTTPServer((address, 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield {
                "orders_package": f"http://{address}:{server.server_port}/{file.name}",
                "orders_package_checksum": f"sha256:{sha256(file.read_bytes()).hexdigest()}",
            }
        finally:
            server.shutdown()
            thread.join()


def test_an_upgrade_and_a_rollback_fail_no_request(fleet: Fleet, tmp_path: Path) -> None:
    release = newer(fleet.package, NEWER, tmp_path)
    (before,) = fleet.versions()
    configuration = "cat /etc/orders/orders.toml"
    with downloadable(release, fleet) as settings, traffic(fleet, PAUSE_SECONDS) as clients:
        clients.wait_for_orders(200)
        fleet.play("site.yml", orders_currency="EUR", **settings)
        assert fleet.versions() == {f"orders {NEWER}"}
        assert 'currency = "EUR"' in fleet.app1.run(configuration)
        clients.wait_for_orders(200)
        fleet.play("rollback.yml")
        assert fleet.versions() == {before}
        # The older release may not know the newer one's settings.
        assert 'currency = "USD"' in fleet.app1.run(configuration)
        clients.wait_for_orders(200)
    assert_nothing_failed(clients)


def test_a_rollback_undoes_an_upgrade_of_only_one_host(fleet: Fleet, tmp_path: Path) -> None:
    before = fleet.versions()
    half = newer(fleet.package, "999.3", tmp_path)
    fleet.play("site.yml", "--limit", "db1,app1", orders_package=str(half))
    assert fleet.versions() == {*before, "orders 999.3"}
    fleet.play("rollback.yml")
    assert fleet.versions() == before

    # The previous versions of the two hosts now differ.
    played = fleet.attempt("rollback.yml")
    assert played.status != 0
    assert "it cannot go to" in " ".join(played.output.split())
    assert fleet.versions() == before


@pytest.mark.parametrize(
    ("defect", "reason"),
    [(NEVER_STARTS, "broken on purpose"), (UNIT_FORBIDS, "client.pem")],
    ids=["the program", "its unit"],
)
def test_a_release_that_does_not_become_ready_is_not_installed(
    fleet: Fleet, tmp_path: Path, defect: Defect, reason: str
) -> None:
    broken = defect.in_a_newer(fleet.package, "999.1", tmp_path)
    before = fleet.versions()
    with traffic(fleet, PAUSE_SECONDS) as clients:
        clients.wait_for_orders(200)
        played = fleet.attempt("site.yml", orders_package=str(broken))
        clients.wait_for_orders(200)
    assert played.status != 0
    assert "Orders 999.1 did not become ready on app1" in played.output
    assert "The running service was not touched" in played.output
    assert reason in played.output
    assert_nothing_failed(clients)
    assert fleet.versions() == before
    assert fleet.app1.run("systemctl list-units --all --no-legend 'orders-trial*'") == ""


def test_a_release_that_fails_after_installation_is_rolled_back_on_the_first_host(
    fleet: Fleet, tmp_path: Path
) -> None:
    broken = UNIT_FAILS.in_a_newer(fleet.package, "999.2", tmp_path)
    before = fleet.versions()
    with traffic(fleet.app2, PAUSE_SECONDS) as clients:
        played = fleet.attempt("site.yml", orders_package=str(broken))
        clients.wait_for_orders(200)
    assert played.status != 0
    assert "Orders 999.2 did not become ready on app1" in played.output
    assert re.search(r"Orders \S+ runs again", played.output)
    # The other host served throughout, and this one serves again.
    clients.assert_all_answered()
    clients.assert_kept(fleet.stored())
    assert fleet.versions() == before
    fleet.app1.run(f"{CURL} {PROBES}/readyz")


def test_settings_that_fail_are_reverted(fleet: Fleet) -> None:
    folder = "/etc/systemd/system/orders.socket.d"
    before = fleet.app1.run(f"cat {folder}/* /etc/orders/orders.toml /etc/orders/tokens")
    # The SSH server uses this port.
    wrong = {"orders_listen": "0.0.0.0:22", "orders_currency": "EUR"}
    played = fleet.attempt("site.yml", "--limit", "app1", **wrong)
    assert played.status != 0
    assert re.search(r"Orders \S+ runs again", played.output)
    assert fleet.app1.run(f"cat {folder}/* /etc/orders/orders.toml /etc/orders/tokens") == before
    fleet.app1.place("A-1")
    with closing(fleet.app1.connect()) as client:
        client.request("GET", "/orders/A-1")
        assert client.getresponse().status == 200


def test_a_restart_missed_by_an_interrupted_run_is_made_up_for(fleet: Fleet) -> None:
    process = "systemctl show --property=MainPID --value orders.service"
    before = fleet.app1.run(process)
    fleet.app1.run("touch /etc/orders/orders.toml")
    fleet.play("site.yml", "--limit", "app1")
    assert fleet.app1.run(process) != before
    assert fleet.play("site.yml", "--limit", "app1").changed["app1"] == 0


def test_a_partly_unpacked_package_is_unpacked_again(fleet: Fleet) -> None:
    unpacked, name = "/var/cache/orders/unpacked", sha256(fleet.package.read_bytes()).hexdigest()
    fleet.db1.run(
        f"rm -r {unpacked}; mkdir -p {unpacked}/{name}.part; touch {unpacked}/{name}.part/a"
    )
    fleet.play("site.yml", "--limit", "app1")
    assert fleet.db1.run(f"ls {unpacked}").split() == [name]
    fleet.db1.run(f"{unpacked}/{name}/usr/bin/orders --version")


def test_only_the_current_and_the_previous_package_are_kept(fleet: Fleet) -> None:
    cache = "/var/cache/orders"
    kept = fleet.app1.run(f"find {cache} -name '*.deb' -type l -printf '%l\\n'").split()
    assert sorted(fleet.app1.run(f"cd {cache}; find *.deb -type f").split()) == sorted(kept)
    assert len(fleet.app1.run(f"ls {cache}/unpacked").split()) == len(kept)
    assert len(fleet.db1.run(f"ls {cache}/unpacked").split()) == 1


def shown(fleet: Fleet, setting: str) -> str:
    (value,) = fleet.sql(f"SHOW {setting}")
    return value


def test_invalid_settings_of_postgresql_change_nothing(fleet: Fleet) -> None:
    file = "cat /etc/postgresql/17/main/conf.d/orders-restart.conf"
    before = fleet.db1.run(file)
    wrong = {"work_mem": "much", "log_line_prefix": "it's %m "}
    played = fleet.attempt("site.yml", "--limit", "db1", postgres_settings=wrong)
    assert played.status != 0
    assert 'invalid value for parameter "work_mem": "much"' in played.output.replace("\\", "")
    assert fleet.db1.run(file) == before
    fleet.app1.place("A-1")


def test_invalid_access_rules_of_postgresql_change_nothing(fleet: Fleet) -> None:
    files = "cd /etc/postgresql/17/main; ls; cat pg_hba.conf pg_ident.conf"
    before = fleet.db1.run(files)
    played = fleet.attempt("site.yml", "--limit", "db1", postgres_clients=["192.0.2.11"])
    assert played.status != 0
    assert "PostgreSQL rejects the access rules" in " ".join(played.output.split())
    assert fleet.db1.run(files) == before
    fleet.app1.place("A-1")


def test_settings_that_keep_postgresql_from_starting_are_reverted(fleet: Fleet) -> None:
    file = "cat /etc/postgresql/17/main/conf.d/orders-restart.conf"
    setting = "unix_socket_directories"
    before = fleet.db1.run(file), shown(fleet, setting)
    impossible = {setting: "/nowhere"}
    played = fleet.attempt("site.yml", "--limit", "db1", postgres_settings=impossible)
    assert played.status != 0
    assert "It runs with the previous ones" in played.output
    assert (fleet.db1.run(file), shown(fleet, setting)) == before
    fleet.app1.run(f"{CURL} --retry 5 --retry-all-errors {PROBES}/readyz")


def test_settings_of_postgresql_are_quoted_correctly(fleet: Fleet) -> None:
    odd = {"log_line_prefix": "it's \\ %m ", "log_min_duration_statement": 2000}
    fleet.play("site.yml", "--limit", "db1", postgres_settings=odd)
    assert shown(fleet, "log_line_prefix") == odd["log_line_prefix"]
    assert shown(fleet, "log_min_duration_statement") == "2s"
    fleet.play("site.yml", "--limit", "db1")
    assert shown(fleet, "log_min_duration_statement") == "-1"


def test_a_new_cluster_does_not_hide_an_older_one(fleet: Fleet) -> None:
    older = "/etc/postgresql/15/main"
    fleet.db1.run(f"mkdir --parents {older}; touch {older}/postgresql.conf")
    try:
        played = fleet.attempt("site.yml", "--limit", "db1")
    finally:
        fleet.db1.run("rm -r /etc/postgresql/15")
    assert played.status != 0
    assert "pg_upgradecluster" in played.output


def test_a_service_that_prometheus_cannot_reach_is_reported(fleet: Fleet) -> None:
    played = fleet.attempt("site.yml", "--limit", "db1", orders_operations_listen="127.0.0.1:9000")
    assert played.status != 0
    assert "orders_operations_listen of app1" in played.output


def test_a_host_set_up_by_hand_is_left_alone(fleet: Fleet) -> None:
    file, kept = "/etc/orders/orders.toml", "/root/orders.toml"
    fleet.app1.run(f"cp --archive {file} {kept}; sed --in-place /Ansible/d {file}")
    try:
        before = fleet.app1.run(f"cat {file}")
        played = fleet.attempt("site.yml", "--limit", "app1", orders_currency="EUR")
        assert fleet.app1.run(f"cat {file}") == before
    finally:
        fleet.app1.run(f"mv {kept} {file}")
    assert played.status != 0
    assert "app1 was set up by hand" in " ".join(played.output.split())


def test_two_packages_with_one_version_are_told_apart(fleet: Fleet, tmp_path: Path) -> None:
    version = fleet.package.name.split("_")[1]
    other = NEVER_STARTS.in_a_newer(fleet.package, version, tmp_path)
    played = fleet.attempt("site.yml", "--limit", "app1", orders_package=str(other))
    assert played.status != 0
    assert f"app1 runs another {fleet.package.name}" in " ".join(played.output.split())
    assert fleet.play("site.yml", "--limit", "app1").changed["app1"] == 0


def test_the_example_s_token_is_refused(fleet: Fleet) -> None:
    example = yaml.safe_load((ROOT / "ansible/inventory.example.yml").read_text(encoding="utf-8"))
    tokens = example["all"]["children"]["orders"]["vars"]["orders_tokens"]
    played = fleet.attempt("site.yml", "--limit", "app1", orders_tokens=tokens)
    assert played.status != 0
    assert "orders_tokens must have lines" in " ".join(played.output.split())


def test_a_power_cut_of_the_database_host_loses_nothing(fleet: Fleet) -> None:
    with traffic(fleet, PAUSE_SECONDS) as clients:
        clients.wait_for_orders(200)
        fleet.db1.kill()
        clients.wait_for_refusals()
        fleet.db1.boot()
        clients.wait_for_orders(200)
    clients.assert_kept(fleet.stored())


def test_the_service_recovers_from_a_network_outage(fleet: Fleet) -> None:
    with traffic(fleet, PAUSE_SECONDS) as clients:
        clients.wait_for_orders(200)
        fleet.db1.cut()
        clients.wait_for_refusals()
        fleet.db1.mend()
        clients.wait_for_recovery()
    clients.assert_kept(fleet.stored())


@pytest.mark.usefixtures("certificates")
def test_a_host_with_revoked_certificates_is_refused_until_it_has_new_ones(fleet: Fleet) -> None:
    fleet.app1.run(
        "cd /etc/orders/tls/client.parts\n"
        f"cp certificate.pem {PARTS}/own.crt; install --mode 600 key.pem {PARTS}/own.key"
    )
    target = connection(fleet) + with_certificate("own")
    fleet.play("revoke.yml", revoke="app1")
    revoked = refusal(fleet.app1, target)
    assert "certificate revoked" in revoked
    LOG.info("%s", revoked)
    assert fleet.app1.attempt(f"{CURL} {PROBES}/readyz").returncode != 0
    fleet.app2.run(f"{CURL} {PROBES}/readyz")

    fleet.play("rotate.yml", pki_renew="due")
    fleet.app1.place("A-1")
    assert fleet.app2.has("A-1")
    assert "certificate revoked" in refusal(fleet.app1, target)

    # When the CRL is due, it is signed again with the same entries.
    end = crl_expiry(fleet)
    fleet.play("rotate.yml", pki_renew="due", pki_days=100, pki_renew_days=95)
    assert crl_expiry(fleet) > end
    assert "certificate revoked" in refusal(fleet.app1, target)


def crl_expiry(fleet: Fleet) -> datetime:
    """Return when the database's CRL expires."""
    printed = fleet.db1.run(f"openssl crl -noout -nextupdate -in {Path(SERVER).parent}/crl.pem")
    return datetime.strptime(
        printed.strip().removeprefix("nextUpdate="), "%b %d %H:%M:%S %Y %Z"
    ).replace(tzinfo=UTC)


def test_certificates_that_expire_soon_are_replaced(fleet: Fleet) -> None:
    before = fleet.serials()
    soon: Mapping[str, str | int] = {"pki_renew": "due", "pki_days": 110, "pki_renew_days": 105}
    fleet.play("rotate.yml", **soon)
    after = fleet.serials()
    assert [name for name in after if after[name] == before[name]] == []
    assert set(fleet.play("rotate.yml", **soon).changed.values()) == {0}
    for host in (fleet.app1, fleet.app2):
        host.run(f"{CURL} {PROBES}/readyz")


def test_certificates_that_would_be_due_at_once_are_refused(fleet: Fleet) -> None:
    played = fleet.attempt("rotate.yml", pki_renew="due", pki_days=30)
    assert played.status != 0
    assert "it must be less than pki_days" in " ".join(played.output.split())


def test_a_restore_brings_back_the_orders_of_the_backup(fleet: Fleet) -> None:
    def exported() -> str:
        return fleet.app1.run("runuser --user orders -- orders export --format csv")

    for number in range(5):
        fleet.app1.place(f"A-{number}")
    fleet.db1.run("systemctl start orders-backup.service")
    before = exported()
    fleet.app2.place("B-1")
    assert exported() != before

    fleet.play("restore.yml", backup="latest")
    assert exported() == before
    # The totals and the privileges were restored, and the former database is kept.
    fleet.app2.place("A-5")
    (name,) = fleet.sql(REPLACED)
    fleet.sql(f"DROP DATABASE {name};")


def test_a_restore_of_a_missing_backup_stops_nothing(fleet: Fleet) -> None:
    with traffic(fleet, PAUSE_SECONDS) as clients:
        clients.wait_for_orders(100)
        played = fleet.attempt("restore.yml", backup="nonsense")
        clients.wait_for_orders(100)
    assert played.status != 0
    assert "has no backup nonsense" in played.output
    assert_nothing_failed(clients)


def test_a_failed_restore_leaves_the_service_running_with_its_orders(
    fleet: Fleet,
) -> None:
    fleet.app1.place("A-1")
    folder = "/run/systemd/system/orders.socket.d"
    fleet.app2.run(
        f"mkdir {folder}; echo '[Unit]' >{folder}/stay.conf\n"
        f"echo RefuseManualStop=yes >>{folder}/stay.conf; systemctl daemon-reload"
    )
    try:
        played = fleet.attempt("restore.yml", backup="latest")
    finally:
        fleet.app2.run(f"rm -r {folder}; systemctl daemon-reload")
    assert played.status != 0
    assert fleet.sql(REPLACED) == []
    for host in (fleet.app1, fleet.app2):
        assert host.has("A-1")
        host.place(f"B-{host.name}")


def test_a_missing_first_backup_is_exported_as_a_metric(fleet: Fleet) -> None:
    figures = "/var/lib/prometheus/node-exporter/orders_backup.prom"
    made = f"awk '/^orders_backup_last_success_timestamp_seconds/ {{print $2}}' {figures}"
    fleet.db1.run(f"rm {figures}")
    fleet.play("site.yml", "--limit", "db1")
    assert fleet.db1.run(made) == "0\n"
    fleet.db1.run("systemctl start orders-backup.service")
    assert int(fleet.db1.run(made)) > 0


def test_a_lost_database_host_is_rebuilt_from_a_backup(fleet: Fleet) -> None:
    fleet.app1.place("A-1")
    fleet.db1.run("systemctl start orders-backup.service")
    copied = "/root/copied"
    # Remove everything that the playbooks created, except a copy of the backups.
    fleet.db1.run(
        f"rm -rf {copied}; cp --archive /var/backups/orders {copied}\n"
        "systemctl stop orders-backup.timer 'postgresql@*'\n"
        "apt-get purge --yes --quiet=2 'postgresql*' >/dev/null 2>&1\n"
        "rm -rf /var/backups/orders /etc/postgresql /etc/postgresql-common /var/lib/postgresql "
        "/etc/systemd/system/orders-backup.* /var/lib/prometheus/node-exporter/orders_*\n"
        f"mv {copied} /var/backups/orders; chown --recursive root: /var/backups/orders"
    )
    backups = fleet.db1.run("ls /var/backups/orders").split()
    fleet.play("site.yml")
    assert fleet.stored() == []
    assert fleet.db1.run("ls /var/backups/orders").split() == backups
    fleet.play("restore.yml", backup=backups[-1])
    for host in (fleet.app1, fleet.app2):
        assert host.has("A-1")
        host.place(f"B-{host.name}")
    for name in fleet.sql(REPLACED):
        fleet.sql(f"DROP DATABASE {name};")


def asked(fleet: Fleet, path: str) -> object:
    return json.loads(fleet.db1.run(f"{CURL} '127.0.0.1:9090/api/v1/{path}'"))["data"]


def test_prometheus_scrapes_every_host_and_has_the_rules(fleet: Fleet) -> None:
    up = {"orders": {"app1", "app2"}, "node": {"app1", "app2", "db1"}}
    fleet.db1.run(
        "timeout 60 sh -c \"until curl --silent '127.0.0.1:9090/api/v1/query?query=sum(up)'"
        ' | grep --quiet \'"7"\'; do sleep 1; done"'
    )
    match asked(fleet, "targets?state=active"):
        case {"activeTargets": targets}:
            seen = {
                job: {each["labels"]["host"] for each in targets if each["scrapePool"] == job}
                for job in up
            }
    assert seen == up
    match asked(fleet, "rules"):
        case {"groups": groups}:
            names = {rule["name"] for group in groups for rule in group["rules"]}
    assert {"OrdersDown", "OrdersBackupTooOld"} <= names
    for metric in ("orders_backup_last_success_timestamp_seconds", "node_load1"):
        match asked(fleet, f"query?query={metric}"):
            case {"result": result}:
                assert result, metric


def test_restarts_of_monitoring_missed_by_an_interrupted_run_are_made_up_for(fleet: Fleet) -> None:
    def told(unit: str) -> tuple[str, str]:
        """Return a unit's process, and when it was last restarted or reloaded."""
        process, changed = fleet.db1.run(
            f"systemctl show --value --property=MainPID {unit}\n"
            f"systemctl show --value --property=StateChangeTimestampMonotonic {unit}"
        ).split()
        return process, changed

    restarted, reloaded = ("prometheus", "prometheus-node-exporter"), "prometheus-alertmanager"
    before = {unit: told(unit) for unit in (*restarted, reloaded)}
    arguments = " ".join(f"/etc/default/{unit}" for unit in restarted)
    fleet.db1.run(f"touch {arguments} /etc/prometheus/alertmanager.yml")
    fleet.play("site.yml", "--limit", "db1")
    after = {unit: told(unit) for unit in before}
    assert [unit for unit in restarted if after[unit][0] == before[unit][0]] == []
    assert after[reloaded][0] == before[reloaded][0]
    assert after[reloaded][1] != before[reloaded][1]
    assert fleet.play("site.yml", "--limit", "db1").changed["db1"] == 0
