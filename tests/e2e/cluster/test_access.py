"""Access control: client certificates, and network policies in both directions."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.debian_package import ROOT, run
from tests.e2e.cluster.lab import DATABASE_POD, DEPLOYMENT, NAMESPACE, NODE_PORT, Deployed
from tests.e2e.cluster.pods import DATABASE, Pod, connect, namespace, pod
from tests.e2e.cluster.pods import peer as peer_in
from tests.postgres_server import wait_until


@pytest.fixture(scope="module")
def peer(installed: Deployed) -> Iterator[Pod]:
    """A pod in the service's namespace that can reach the database."""
    with peer_in(installed.cluster) as up:
        yield up


@pytest.fixture(scope="module")
def authority(installed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the CA that generate-secrets keeps in the cluster."""
    folder = tmp_path_factory.mktemp("authority")
    data = installed.cluster.get("secret", "orders-ca")["data"]
    for key, name in {"tls.crt": "ca.crt", "tls.key": "ca.key"}.items():
        (folder / name).write_bytes(base64.b64decode(data[key]))
    return folder


def issued(authority: Path, name: str, kind: str = "client") -> Path:
    """Issue a certificate from the real CA, and return the folder of its files."""
    run(ROOT / "scripts/certificates", authority, "issue", kind, "1", name, "unused")
    return authority / name


def test_a_certificate_with_a_role_s_name_is_accepted(peer: Pod, authority: Path) -> None:
    folder = peer.put(issued(authority, "ordersuser"))
    assert connect(peer, folder) == (0, "ordersuser\n")


def test_a_client_without_a_certificate_is_refused(peer: Pod, authority: Path) -> None:
    folder = peer.put(issued(authority, "ordersuser"))
    status, said = connect(peer, folder, sslcert="/tmp/none", sslkey="/tmp/none")  # noqa: S108
    assert status != 0
    assert "connection requires a valid client certificate" in said


def test_a_plaintext_connection_is_refused(peer: Pod, authority: Path) -> None:
    folder = peer.put(issued(authority, "ordersuser"))
    status, said = connect(peer, folder, sslmode="disable")
    assert status != 0
    assert "no encryption" in said


@pytest.mark.parametrize("user", ["orders_owner", "postgres"])
def test_a_certificate_with_another_name_is_refused(peer: Pod, authority: Path, user: str) -> None:
    folder = peer.put(issued(authority, "ordersuser"))
    status, said = connect(peer, folder, user=user)
    assert status != 0
    assert "certificate authentication failed" in said or "rejects connection" in said


def test_a_certificate_with_an_unknown_name_is_refused(peer: Pod, authority: Path) -> None:
    folder = peer.put(issued(authority, "stranger"))
    status, said = connect(peer, folder)
    assert status != 0
    assert "certificate authentication failed" in said


def test_a_server_certificate_is_refused_from_a_client(peer: Pod, authority: Path) -> None:
    folder = peer.put(issued(authority, "ordersuser", "server"))
    status, said = connect(peer, folder)
    assert status != 0
    assert "unsupported certificate" in said


def test_a_certificate_from_another_ca_is_refused(
    peer: Pod, authority: Path, tmp_path: Path
) -> None:
    stranger = Authority("Another authority").issue("ordersuser")
    folder = tmp_path / "stranger"
    folder.mkdir()
    (folder / "ca.crt").write_bytes((authority / "ca.crt").read_bytes())
    (folder / "tls.crt").write_bytes(stranger.certificate_pem)
    (folder / "tls.key").write_bytes(stranger.key_pem)
    status, said = connect(peer, peer.put(folder))
    assert status != 0
    assert "unknown ca" in said


def test_a_revoked_certificate_is_refused_without_a_restart(
    installed: Deployed, peer: Pod, authority: Path
) -> None:
    before = installed.cluster.restarts()
    folder = peer.put(issued(authority, "ordersuser"))
    assert connect(peer, folder)[0] == 0
    installed.generate_secrets("--revoke", authority / "ordersuser/tls.crt")
    wait_until(lambda: "revoked" in connect(peer, folder)[1], seconds=90)
    # Other certificates are still accepted.
    assert connect(peer, peer.put(issued(authority, "ordersuser")))[0] == 0
    assert installed.cluster.restarts() == before


@pytest.fixture(scope="module")
def outsider(installed: Deployed) -> Iterator[Pod]:
    """A pod in another namespace."""
    with (
        namespace(installed.cluster, "outside") as where,
        pod(installed.cluster, "outsider", where) as up,
    ):
        yield up


def pod_addresses(installed: Deployed) -> dict[str, str]:
    """Return the addresses of the pods in the namespace, by component."""
    return {
        each["metadata"]["labels"]["app.kubernetes.io/component"]: each["status"]["podIP"]
        for each in installed.cluster.get("pods")["items"]
        if each["status"]["phase"] == "Running"
    }


@pytest.mark.parametrize(
    ("component", "port"), [("service", 8000), ("service", 9000), ("database", 5432)]
)
def test_another_namespace_reaches_no_pod(
    installed: Deployed, outsider: Pod, component: str, port: int
) -> None:
    assert not outsider.reaches(pod_addresses(installed)[component], port)


def test_another_namespace_reaches_no_service(outsider: Pod) -> None:
    # Names resolve, so it is the network policies that block the connections.
    assert outsider.sh("getent hosts orders.orders.svc.cluster.local")[0] == 0
    assert not outsider.reaches("orders.orders.svc.cluster.local", 80)
    assert not outsider.reaches("orders-postgres.orders.svc.cluster.local", 5432)


def test_the_node_exposes_only_the_api(installed: Deployed) -> None:
    services = installed.cluster.get("services")["items"]
    shown = [port.get("nodePort") for each in services for port in each["spec"]["ports"]]
    assert [port for port in shown if port] == [NODE_PORT]


def test_prometheus_reaches_only_the_metrics(installed: Deployed) -> None:
    address = pod_addresses(installed)["service"]
    with (
        namespace(installed.cluster, "monitoring") as where,
        pod(installed.cluster, "prometheus", where) as prometheus,
    ):
        wait_until(lambda: prometheus.reaches(address, 9000), seconds=30)
        assert "orders_" in prometheus.fetch(address, 9000, "/metrics")
        assert not prometheus.reaches(address, 8000)


def service_reaches(installed: Deployed) -> Callable[[str, int], bool]:
    """Return a function that checks whether a service pod can connect to an address."""

    def reaches(host: str, port: int) -> bool:
        program = f"import socket; socket.create_connection(({host!r}, {port}), 3)"
        command = ("exec", DEPLOYMENT, "--", "python", "-c", program)
        ended = installed.cluster.attempt("kubectl", "--namespace=orders", *command)
        assert ended.returncode == 0 or "TimeoutError" in ended.stderr, ended.stderr
        return ended.returncode == 0

    return reaches


def name_server(installed: Deployed) -> str:
    """Return the address of the cluster's name servers."""
    return installed.cluster.run(
        *("kubectl", "--namespace=kube-system", "get", "service", "kube-dns"),
        "--output=jsonpath={.spec.clusterIP}",
    )


def test_the_service_reaches_the_database_and_the_name_servers(installed: Deployed) -> None:
    reaches = service_reaches(installed)
    assert reaches(DATABASE, 5432)
    assert reaches(name_server(installed), 53)


def test_the_database_reaches_nothing(installed: Deployed) -> None:
    pods = pod_addresses(installed)
    database = Pod(installed.cluster, NAMESPACE, DATABASE_POD)
    assert database.reaches("127.0.0.1", 5432)
    for address, port in [
        (name_server(installed), 53),
        (pods["service"], 8000),
        (installed.cluster.address, 6443),
    ]:
        assert not database.reaches(address, port)


def test_the_service_reaches_nothing_else(installed: Deployed, outsider: Pod) -> None:
    reaches = service_reaches(installed)
    with pod(installed.cluster, "listener", outsider.namespace) as listener:
        listener.sh(
            "nohup bash -c 'export PGDATA=/tmp/data; initdb -A trust >/dev/null && "
            "postgres -c listen_addresses=* -c unix_socket_directories=/tmp' >/tmp/log 2>&1 &"
        )
        wait_until(lambda: outsider.reaches(listener.address, 5432), seconds=60)
        assert not reaches(listener.address, 5432)
    # The API server, by its Service and on the node.
    assert not reaches("kubernetes.default.svc", 443)
    assert not reaches(installed.cluster.address, 6443)
