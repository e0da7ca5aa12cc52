"""A real Kubernetes cluster with Orders, and clients for it."""

import json
import os
import ssl
import subprocess
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any, Final

import pytest
from attrs import frozen

from tests.debian_package import ROOT
from tests.postgres_server import wait_until

NAMESPACE: Final = "orders"
HOST: Final = "orders.local"
DEPLOYMENT: Final = "deployment/orders"
DATABASE_POD: Final = "orders-postgres-0"
POSTGRES_IMAGE: Final = "postgres:17-trixie"
NODE_PORT: Final = 30080
SERVICE_PODS: Final = "app.kubernetes.io/name=orders,app.kubernetes.io/component=service"


def lab() -> Path:
    """Find the folder of the commands for clusters, or skip: a skipped test fails in CI."""
    named = os.environ.get("ORDERS_LAB", "")
    folder = (ROOT / named).resolve()
    if os.geteuid() != 0 or not named or not (folder / "kube").exists():
        pytest.skip("needs root, and kube in ORDERS_LAB: see tests/e2e/README.md")
    return folder


@frozen
class Cluster:
    """A running cluster.

    Attributes:
        name: The cluster's name.
        path: A PATH with the cluster's kubectl.
        kubeconfig: The path of its kubeconfig file.
        address: The address of its node.
    """

    name: str
    path: str
    kubeconfig: Path
    address: str

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment for commands on this cluster."""
        return {**os.environ, "PATH": self.path, "KUBECONFIG": str(self.kubeconfig)}

    def attempt(
        self, *command: str | Path, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on this cluster, and return its result, even if it fails."""
        return subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment,
            input=text or "",
            capture_output=True,
            text=True,
            check=False,
        )

    def run(self, *command: str | Path, text: str | None = None) -> str:
        """Run a command on this cluster, and return its output."""
        ended = self.attempt(*command, text=text)
        assert ended.returncode == 0, f"{command}\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout

    def kubectl(self, *arguments: str | Path, text: str | None = None) -> str:
        """Run kubectl in the service's namespace."""
        return self.run("kubectl", "--namespace", NAMESPACE, *arguments, text=text)

    def get(self, *arguments: str) -> Any:  # noqa: ANN401 - whatever Kubernetes says
        """Get objects in the service's namespace."""
        return json.loads(self.kubectl("get", *arguments, "--output=json"))

    def apply(self, manifests: Sequence[Mapping[str, object]]) -> None:
        """Apply objects."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        self.kubectl("apply", "--filename=-", text=json.dumps(listed))

    def wait(self, what: str, condition: str, seconds: int = 120) -> None:
        """Wait for a condition, such as `condition=Ready`."""
        self.kubectl("wait", what, f"--for={condition}", f"--timeout={seconds}s")

    def rolled_out(self, what: str = DEPLOYMENT, seconds: int = 120) -> None:
        """Wait until a rollout is complete."""
        self.kubectl("rollout", "status", what, f"--timeout={seconds}s")

    def settled(self, replicas: int) -> None:
        """Wait until exactly this many pods exist, and all are ready."""
        wait_until(lambda: [is_ready(pod) for pod in self.pods()] == [True] * replicas, seconds=120)

    def pods(self) -> Sequence[Mapping[str, Any]]:
        """Get the service's pods."""
        items: Sequence[Mapping[str, Any]] = self.get("pods", "--selector", SERVICE_PODS)["items"]
        return items

    def restarts(self) -> Mapping[str, int]:
        """Return how often each container in the namespace was restarted."""
        return {
            f"{pod['metadata']['name']}/{status['name']}": status["restartCount"]
            for pod in self.get("pods")["items"]
            # A sidecar is one of the init containers.
            for kind in ("containerStatuses", "initContainerStatuses")
            for status in pod["status"].get(kind, ())
        }

    def sql(self, statement: str) -> str:
        """Run SQL as the superuser, from inside the database's pod."""
        psql = ("psql", "--no-psqlrc", "-qAtX", "--set=ON_ERROR_STOP=1", "--username=postgres")
        return self.kubectl(
            *("exec", DATABASE_POD, "--container=postgres", "--"),
            *(*psql, "--dbname=ordersdb", "--command", statement),
        ).strip()

    def shown_by_clients(self, columns: str) -> set[str]:
        """Return columns of pg_stat_ssl for the service's current connections."""
        connections = "pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'ordersuser'"
        seen = self.sql(f"SELECT DISTINCT {columns} FROM {connections}")  # noqa: S608 - no value
        return set(seen.splitlines())

    def orders(self) -> Sequence[tuple[str, str]]:
        """Return the id and the amount of every stored order."""
        rows = self.sql("COPY (SELECT id, amount FROM orders) TO STDOUT").splitlines()
        return [(order_id, amount) for order_id, amount in (row.split("\t") for row in rows)]

    def export(self) -> str:
        """Export every order with the command."""
        return self.kubectl("exec", DEPLOYMENT, "--", "orders", "export", "--format=csv")


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Return whether a pod is ready, so that it gets requests."""
    if "deletionTimestamp" in pod["metadata"]:
        return False
    conditions = pod["status"].get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def names(pods: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the pods' names."""
    return {pod["metadata"]["name"] for pod in pods}


class _Resolved(HTTPSConnection):
    """An HTTPS client that connects to a fixed address for a host name."""

    def __init__(self, host: str, address: str, timeout: float, context: ssl.SSLContext) -> None:
        super().__init__(host, timeout=timeout, context=context)
        self._address = address
        self._context = context

    def connect(self) -> None:
        """Connect to the address, and verify the certificate for the host name."""
        self.host, name = self._address, self.host
        try:
            HTTPConnection.connect(self)
        finally:
            self.host = name
        self.sock = self._context.wrap_socket(self.sock, server_hostname=name)


@frozen
class Deployed:
    """Orders in a cluster.

    Attributes:
        cluster: The cluster.
        overlay: The folder of the applied kustomization.
        authority: The file of CA certificates that the Ingress's clients trust.
    """

    cluster: Cluster
    overlay: Path
    authority: Path

    @property
    def service(self) -> "ByService":
        """Access through the Service."""
        return ByService(self.cluster)

    @property
    def ingress(self) -> "ByIngress":
        """Access through the Ingress."""
        return ByIngress(self.cluster, self.authority)

    def install(self) -> None:
        """Install everything with the documented commands."""
        self.generate_secrets()
        self.update()
        self.cluster.rolled_out()
        self.cluster.settled(3)
        self.authority.write_text(self.generate_secrets("--authority"))

    def apply(self) -> None:
        """Apply the overlay with the documented command."""
        self.cluster.run("kubectl", "apply", "--kustomize", self.overlay)

    def update(self) -> None:
        """Apply another release with the documented commands."""
        self.cluster.kubectl("delete", "job", "orders-migrate", "--ignore-not-found")
        self.apply()

    def restore(self) -> None:
        """Restore the state that the overlay describes."""
        self.update()
        self.cluster.kubectl("scale", DEPLOYMENT, "--replicas=3")
        self.cluster.rolled_out("statefulset/orders-postgres")
        self.cluster.rolled_out()
        self.cluster.settled(3)

    def generate_secrets(self, *arguments: str | Path) -> str:
        """Run `generate-secrets`."""
        return self.cluster.run(ROOT / "k8s/generate-secrets", *arguments)


def _errors(cluster: Cluster) -> str:
    """Return the pods' logs without successful requests."""
    lines = cluster.kubectl("logs", "--selector", SERVICE_PODS, "--tail=-1", "--prefix")
    return "\n".join(
        line
        for line in lines.splitlines()
        if '"logger": "orders_http.api.request_log"' not in line or '"status": 5' in line
    )


@frozen
class ByService:
    """Access to the service through its Service, on a port of the node."""

    cluster: Cluster

    def connect(self, timeout: float = 30.0) -> HTTPConnection:
        """Return a client of the API; the caller closes it."""
        return HTTPConnection(self.cluster.address, NODE_PORT, timeout=timeout)

    def errors(self) -> str:
        """Return the logs of the current pods."""
        return _errors(self.cluster)


@frozen
class ByIngress:
    """Access to the service through the Ingress, whose certificate is verified."""

    cluster: Cluster
    authority: Path
    host: str = HOST

    def connect(self, timeout: float = 30.0) -> HTTPConnection:
        """Return a client of the API; the caller closes it."""
        context = ssl.create_default_context(cafile=self.authority)
        return _Resolved(self.host, self.cluster.address, timeout, context)

    def errors(self) -> str:
        """Return the logs of the current pods."""
        return _errors(self.cluster)
