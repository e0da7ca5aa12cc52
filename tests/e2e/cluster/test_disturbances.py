"""Updates, scaling, rotations and failures under load lose no acknowledged order."""

import base64
import json
import logging
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Final

import pytest

from tests.e2e.cluster.lab import (
    DATABASE_POD,
    DEPLOYMENT,
    NAMESPACE,
    ByIngress,
    ByService,
    Cluster,
    Deployed,
    is_ready,
    names,
)
from tests.e2e.cluster.pods import connect, peer
from tests.faults.traffic import Traffic, traffic
from tests.postgres_server import wait_until

_LOG: Final = logging.getLogger(__name__)
_PAUSE_SECONDS: Final = 0.02
_FEW: Final = 100
CLIENT: Final = "orders-client-tls"
SERVER: Final = "orders-postgres-server-tls"


@contextmanager
def loaded(
    deployed: Deployed, by: ByService | ByIngress | None = None
) -> Iterator[Traffic[ByService | ByIngress]]:
    """Place orders while the block runs, and assert at the end that nothing was lost."""
    with traffic(by or deployed.service, _PAUSE_SECONDS) as clients:
        clients.wait_for_orders(_FEW)
        yield clients
        clients.wait_for_orders(_FEW)
    clients.assert_kept(deployed.cluster.orders())


@pytest.mark.parametrize("way", ["service", "ingress"])
def test_a_rolling_update_fails_no_request(changing: Deployed, way: str) -> None:
    cluster = changing.cluster
    before = names(cluster.pods())
    with loaded(changing, getattr(changing, way)) as clients:
        cluster.kubectl("rollout", "restart", DEPLOYMENT)
        cluster.rolled_out()
        cluster.settled(3)
    assert names(cluster.pods()).isdisjoint(before)
    clients.assert_all_answered()


@pytest.mark.parametrize("way", ["service", "ingress"])
def test_scaling_up_and_down_fails_no_request(changing: Deployed, way: str) -> None:
    with loaded(changing, getattr(changing, way)) as clients:
        for replicas in (5, 2):
            changing.cluster.kubectl("scale", DEPLOYMENT, f"--replicas={replicas}")
            changing.cluster.settled(replicas)
            clients.wait_for_orders(_FEW)
    clients.assert_all_answered()


def evict(cluster: Cluster, pod: str) -> bool:
    """Evict a pod, as `kubectl drain` does, and return whether that was allowed."""
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": NAMESPACE},
    }
    place = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}/eviction"
    ended = cluster.attempt(
        "kubectl", "create", "--raw", place, "--filename=-", text=json.dumps(eviction)
    )
    refused = "would violate the pod's disruption budget" in ended.stderr
    assert ended.returncode == 0 or refused, ended.stderr
    return ended.returncode == 0


def test_pods_are_evicted_one_at_a_time(
    changing: Deployed,
) -> None:
    cluster = changing.cluster
    first, second, _ = sorted(names(cluster.pods()))
    with loaded(changing) as clients:
        assert evict(cluster, first)
        assert not evict(cluster, second)
        assert sum(map(is_ready, cluster.pods())) >= 2
        wait_until(lambda: evict(cluster, second), seconds=60)
        cluster.settled(3)
    assert names(cluster.pods()).isdisjoint({first, second})
    clients.assert_all_answered()


def serial(cluster: Cluster, secret: str) -> str:
    """Return the serial number of the certificate in a Secret, in decimal."""
    data = cluster.get("secret", secret)["data"]["tls.crt"]
    printed = cluster.run(
        "openssl", "x509", "-noout", "-serial", text=base64.b64decode(data).decode()
    )
    return str(int(printed.strip().partition("=")[2], 16))


_SERIAL_OF_SERVER: Final = """
import socket, ssl
context = ssl.create_default_context(cafile="/etc/orders/tls/ca.crt")
with socket.create_connection(("orders-postgres", 5432), 5) as client:
    client.sendall(bytes.fromhex("0000000804d2162f"))
    assert client.recv(1) == b"S"
    with context.wrap_socket(client, server_hostname="orders-postgres") as secured:
        print(int(secured.getpeercert()["serialNumber"], 16))
"""


def serial_of_server(cluster: Cluster) -> str:
    """Return the serial number of the database's current certificate, as seen by a service pod."""
    command = ("exec", DEPLOYMENT, "--", "python", "-c", _SERIAL_OF_SERVER)
    return cluster.kubectl(*command).strip()


def serial_of_ingress(deployed: Deployed) -> str:
    """Return the serial number of the Ingress's current certificate."""
    connection = deployed.ingress.connect()
    connection.connect()
    assert isinstance(connection.sock, ssl.SSLSocket)
    shown = connection.sock.getpeercert()
    connection.close()
    assert shown is not None
    return str(int(str(shown["serialNumber"]), 16))


def test_new_certificates_are_used_without_a_restart(changing: Deployed) -> None:
    cluster = changing.cluster
    before = cluster.restarts()
    wait_until(
        lambda: cluster.shown_by_clients("client_serial") == {serial(cluster, CLIENT)}, seconds=60
    )
    with loaded(changing) as clients:
        changing.generate_secrets("--rotate")
        began = monotonic()
        server, client = serial(cluster, SERVER), serial(cluster, CLIENT)
        assert cluster.shown_by_clients("client_serial") != {client}
        wait_until(lambda: serial_of_server(cluster) == server, seconds=120)
        pods = names(cluster.pods())
        wait_until(lambda: all(has_file(cluster, each, client) for each in pods), seconds=120)
        renew_connections(cluster)
        wait_until(lambda: cluster.shown_by_clients("client_serial") == {client}, seconds=60)
        _LOG.info("in use on both sides %.0f s after the rotation", monotonic() - began)
    assert cluster.restarts() == before
    clients.assert_all_answered()


def renew_connections(cluster: Cluster) -> None:
    """Make the service renew its connections now, instead of within half an hour."""
    for each in names(cluster.pods()):
        cluster.kubectl("exec", each, "--", "sh", "-c", "kill -HUP 1")


def test_the_ca_is_replaced_without_a_restart(changing: Deployed, tmp_path: Path) -> None:
    cluster = changing.cluster
    before = cluster.restarts()
    (former,) = cluster.shown_by_clients("issuer_dn")
    stale = tmp_path / "stale"
    stale.mkdir()
    for key, content in cluster.get("secret", CLIENT)["data"].items():
        (stale / key).write_bytes(base64.b64decode(content))
    with loaded(changing) as clients:
        changing.generate_secrets("--rotate-authority")
        # The Ingress's clients trust the new CA before they see a certificate from it.
        changing.authority.write_text(changing.generate_secrets("--authority"))
        changing.generate_secrets("--rotate")
        began = monotonic()
        changing.generate_secrets("--retire-authority")
        _LOG.info("the former CA was retired %.0f s after the rotation", monotonic() - began)
        renew_connections(cluster)
        wait_until(
            lambda: (
                len(issuers := cluster.shown_by_clients("issuer_dn")) == 1 and former not in issuers
            ),
            seconds=60,
        )
    assert cluster.restarts() == before
    clients.assert_all_answered()
    # A client with a certificate from the former CA is refused.
    (stale / "ca.crt").write_text(changing.generate_secrets("--authority"))
    with peer(cluster) as client:
        folder = client.put(stale)
        wait_until(lambda: "unknown ca" in connect(client, folder)[1], seconds=30)


def test_the_ingress_uses_a_new_certificate_at_once(changing: Deployed) -> None:
    with loaded(changing, changing.ingress) as clients:
        changing.generate_secrets("--rotate")
        new = serial(changing.cluster, "orders-ingress-tls")
        wait_until(lambda: serial_of_ingress(changing) == new, seconds=120)
    clients.assert_all_answered()


def has_file(cluster: Cluster, pod: str, number: str) -> bool:
    """Return whether a pod has the new certificate."""
    program = (
        "import ssl; print(int(ssl._ssl._test_decode_cert('/etc/orders/tls/tls.crt')"
        "['serialNumber'], 16))"
    )
    return cluster.kubectl("exec", pod, "--", "python", "-c", program).strip() == number


def test_a_deleted_database_pod_returns_with_every_acknowledged_order(
    changing: Deployed,
) -> None:
    cluster = changing.cluster
    claim = cluster.get("pvc", f"data-{DATABASE_POD}")["metadata"]["uid"]
    restarts = cluster.restarts()
    with loaded(changing) as clients:
        began = monotonic()
        cluster.kubectl("delete", "pod", DATABASE_POD, "--wait=false")
        clients.wait_for_refusals(1)
        clients.wait_for_recovery(seconds=90)
        _LOG.info("orders are acknowledged again %.1f s after the deletion", monotonic() - began)
    assert cluster.get("pvc", f"data-{DATABASE_POD}")["metadata"]["uid"] == claim
    kept = {name: count for name, count in restarts.items() if DATABASE_POD not in name}
    assert kept.items() <= cluster.restarts().items()
