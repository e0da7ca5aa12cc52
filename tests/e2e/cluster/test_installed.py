"""The service after the documented commands: reachable, encrypted and confined."""

import json
import ssl
from http.client import HTTPConnection
from typing import Final

import pytest

from tests.e2e.cluster.lab import (
    DATABASE_POD,
    DEPLOYMENT,
    HOST,
    NAMESPACE,
    ByIngress,
    ByService,
    Cluster,
    Deployed,
)


def place(connection: HTTPConnection, order_id: str) -> int:
    body = json.dumps({"id": order_id, "amount": "12.30"})
    connection.request("POST", "/orders", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


@pytest.mark.parametrize("way", ["service", "ingress"])
def test_an_order_is_placed_and_kept(empty: Deployed, way: str) -> None:
    by: ByService | ByIngress = getattr(empty, way)
    assert place(by.connect(), f"by-{way}") == 201
    assert place(by.connect(), f"by-{way}") == 200
    assert empty.cluster.orders() == [(f"by-{way}", "12.30")]


def test_the_ingress_presents_a_certificate_for_its_host_from_the_generated_ca(
    empty: Deployed,
) -> None:
    stranger = ByIngress(empty.cluster, empty.authority).connect()
    stranger.host = f"not-{HOST}"
    with pytest.raises(ssl.SSLCertVerificationError):
        stranger.connect()


def test_the_service_connects_to_the_database_by_tls_1_3_with_its_own_name(empty: Deployed) -> None:
    assert place(empty.service.connect(), "A-1") == 201
    shown = empty.cluster.shown_by_clients("ssl, version, client_dn")
    assert shown == {"t|TLSv1.3|/CN=ordersuser"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE orders SET amount = 1",
        "DELETE FROM orders",
        "TRUNCATE orders",
        "DROP TABLE orders",
        "CREATE TABLE others (id text)",
        "CREATE SCHEMA others",
        "CREATE TEMPORARY TABLE others (id text)",
        "SELECT pg_read_file('/etc/passwd')",
    ],
)
def test_the_service_s_role_can_only_read_and_insert(installed: Deployed, statement: str) -> None:
    with pytest.raises(AssertionError, match=r"permission denied|must be owner"):
        installed.cluster.sql(f"SET ROLE ordersuser; {statement}")


def test_a_privileged_pod_is_refused(installed: Deployed) -> None:
    ended = installed.cluster.attempt(
        *("kubectl", "--namespace", NAMESPACE, "run", "privileged", "--image=orders"),
        "--privileged",
    )
    assert ended.returncode != 0
    assert 'violates PodSecurity "restricted' in ended.stderr


# Succeeds if there is no token and the root file system is read-only.
_CONFINED: Final = (
    "[ ! -e /var/run/secrets/kubernetes.io ] && ! LC_ALL=C touch /written 2>&1 && id -u"
)
_REFUSED: Final = "touch: cannot touch '/written': Read-only file system"


@pytest.mark.parametrize(
    ("pod", "container", "user"),
    [
        (DEPLOYMENT, "orders", 10001),
        (DATABASE_POD, "postgres", 999),
        (DATABASE_POD, "reload", 999),
    ],
)
def test_no_pod_has_a_kubernetes_token_or_can_write_to_its_root(
    installed: Deployed, pod: str, container: str, user: int
) -> None:
    command = ("exec", pod, f"--container={container}", "--", "sh", "-c", _CONFINED)
    assert installed.cluster.kubectl(*command).splitlines() == [_REFUSED, str(user)]


@pytest.mark.parametrize("cron_job", ["orders-backup", "orders-restore"])
def test_a_backup_and_a_restore_have_no_token_and_cannot_write_to_their_root(
    installed: Deployed, cron_job: str
) -> None:
    cluster = installed.cluster
    name = f"{cron_job}-confined"
    create = ("create", "job", name, f"--from=cronjob/{cron_job}", "--dry-run=client")
    job = json.loads(cluster.kubectl(*create, "--output=json"))
    (container,) = job["spec"]["template"]["spec"]["containers"]
    container |= {"command": ["sh", "-c"], "args": [_CONFINED]}
    cluster.apply([job])
    try:
        cluster.wait(f"job/{name}", "condition=Complete")
        assert cluster.kubectl("logs", f"job/{name}").splitlines() == [_REFUSED, "999"]
    finally:
        cluster.kubectl("delete", "job", name)


def test_a_second_run_changes_nothing(installed: Deployed) -> None:
    def generations(cluster: Cluster) -> list[object]:
        objects = cluster.get("secrets,configmaps,deployments,statefulsets,pods,jobs")["items"]
        return [
            (
                each["kind"],
                each["metadata"]["name"],
                each.get("data"),
                each["metadata"].get("generation"),
            )
            for each in objects
        ]

    before = generations(installed.cluster)
    installed.generate_secrets()
    installed.apply()
    assert generations(installed.cluster) == before
