"""Pods from which tests try connections that should, and should not, be possible."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from attrs import frozen

from tests.e2e.cluster.lab import NAMESPACE, POSTGRES_IMAGE, Cluster
from tests.postgres_server import wait_until

# The requirements of the Pod Security standard `restricted`.
_CONFINED: Final = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "runAsUser": 999,
    "seccompProfile": {"type": "RuntimeDefault"},
}
_PROBE: Final = "exec 3<>/dev/tcp/{host}/{port}"
_SECONDS: Final = 3
DATABASE: Final = "orders-postgres"
_PEER: Final = {
    "app.kubernetes.io/part-of": "orders",
    # The network policies let this component reach the database, so only the database can refuse.
    "app.kubernetes.io/component": "migration",
}


@frozen
class Pod:
    """A pod that runs commands.

    Attributes:
        cluster: The pod's cluster.
        namespace: The pod's namespace.
        name: The pod's name.
    """

    cluster: Cluster
    namespace: str
    name: str

    @property
    def address(self) -> str:
        """The pod's IP address."""
        path = "jsonpath={.status.podIP}"
        return self._kubectl("get", "pod", self.name, f"--output={path}")

    def sh(self, script: str, text: str | None = None) -> tuple[int, str]:
        """Run a shell script, and return its exit status and its output."""
        ended = self.cluster.attempt(
            *("kubectl", "--namespace", self.namespace, "exec", "--stdin", self.name),
            *("--", "bash", "-c", script),
            text=text,
        )
        return ended.returncode, ended.stdout + ended.stderr

    def put(self, folder: Path) -> str:
        """Copy a folder's files to the pod, and return their folder there."""
        for file in folder.iterdir():
            if file.is_file():
                script = f"umask 077; mkdir -p /tmp/{folder.name}"
                content = file.read_text()
                status, said = self.sh(f"{script}; cat >/tmp/{folder.name}/{file.name}", content)
                assert status == 0, said
        return f"/tmp/{folder.name}"  # noqa: S108 - of a pod

    def reaches(self, host: str, port: int) -> bool:
        """Return whether a TCP connection succeeds."""
        probe = _PROBE.format(host=host, port=port)
        status, _ = self.sh(f"timeout {_SECONDS} bash -c '{probe}'")
        return status == 0

    def fetch(self, host: str, port: int, path: str) -> str:
        """Return the head and the body of an HTTP response."""
        probe = _PROBE.format(host=host, port=port)
        request = f"GET {path} HTTP/1.0\\r\\n\\r\\n"
        status, said = self.sh(
            f"timeout {_SECONDS} bash -c '{probe}; printf \"{request}\" >&3; cat <&3'"
        )
        assert status == 0, said
        return said

    def _kubectl(self, *arguments: str) -> str:
        return self.cluster.run("kubectl", "--namespace", self.namespace, *arguments)


@contextmanager
def namespace(cluster: Cluster, name: str) -> Iterator[str]:
    """Create another namespace, and remove it at the end."""
    cluster.run("kubectl", "create", "namespace", name)
    try:
        yield name
    finally:
        cluster.run("kubectl", "delete", "namespace", name, "--wait=false")


@contextmanager
def pod(
    cluster: Cluster, name: str, where: str = NAMESPACE, labels: Mapping[str, str] | None = None
) -> Iterator[Pod]:
    """Run a pod that waits for commands, and remove it at the end."""
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "containers": [
                {
                    "name": "shell",
                    "image": POSTGRES_IMAGE,
                    "imagePullPolicy": "Never",
                    "command": ["sleep", "infinity"],
                    "securityContext": _CONFINED,
                }
            ],
        },
    }
    kubectl = ("kubectl", "--namespace", where)
    cluster.run(*kubectl, "apply", "--filename=-", text=json.dumps(manifest))
    try:
        cluster.run(*kubectl, "wait", f"pod/{name}", "--for=condition=Ready", "--timeout=60s")
        yield Pod(cluster, where, name)
    finally:
        cluster.run(*kubectl, "delete", "pod", name, "--wait=false")


@contextmanager
def peer(cluster: Cluster) -> Iterator[Pod]:
    """Run a pod in the service's namespace that can reach the database."""
    with pod(cluster, "peer", labels=_PEER) as up:
        # The network policies apply a moment after the pod starts.
        wait_until(lambda: up.reaches(DATABASE, 5432), seconds=30)
        yield up


def connect(
    client: Pod, folder: str, *, user: str = "ordersuser", **changes: str
) -> tuple[int, str]:
    """Connect to the database from a pod, with the certificate in one of its folders."""
    parameters = {
        "host": DATABASE,
        "dbname": "ordersdb",
        "user": user,
        "connect_timeout": "10",
        "sslmode": "verify-full",
        "sslrootcert": f"{folder}/ca.crt",
        "sslcert": f"{folder}/tls.crt",
        "sslkey": f"{folder}/tls.key",
        **changes,
    }
    text = " ".join(f"{name}={value}" for name, value in parameters.items())
    return client.sh(f"HOME=/tmp psql -qAtX '{text}' --command='SELECT current_user'")
