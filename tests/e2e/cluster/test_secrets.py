"""generate-secrets never makes a second authority beside what the first one issued."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from attrs import evolve

from tests.debian_package import ROOT
from tests.e2e.cluster.lab import Cluster, Deployed

GENERATE: Final = ROOT / "k8s/generate-secrets"
WRITER: Final = "writer"


def secrets(cluster: Cluster) -> dict[str, object]:
    """Read what is in every Secret."""
    return {each["metadata"]["name"]: each["data"] for each in cluster.get("secrets")["items"]}


def test_without_its_authority_it_makes_and_rotates_nothing(
    changing: Deployed, tmp_path: Path
) -> None:
    cluster = changing.cluster
    before = secrets(cluster)
    kept = tmp_path / "orders-ca.yaml"
    kept.write_text(cluster.kubectl("get", "secret", "orders-ca", "--output=yaml"))
    cluster.kubectl("delete", "secret", "orders-ca")
    try:
        made, rotated = cluster.attempt(GENERATE), cluster.attempt(GENERATE, "--rotate")
        without = secrets(cluster)
    finally:
        cluster.kubectl("create", f"--filename={kept}")
    assert (made.returncode, rotated.returncode) == (1, 1)
    assert "generate-secrets: there is orders-client-tls, and not the Secret orders-ca" in (
        made.stderr
    )
    assert "generate-secrets: the namespace orders has no authority" in rotated.stderr
    assert without == {name: data for name, data in before.items() if name != "orders-ca"}
    changing.generate_secrets()
    assert secrets(cluster) == before


@contextmanager
def writer(cluster: Cluster, folder: Path) -> Iterator[Cluster]:
    """The cluster as somebody sees it who may write Secrets and read none."""
    cluster.kubectl("create", "role", WRITER, "--verb=create,patch", "--resource=secrets")
    cluster.kubectl("create", "rolebinding", WRITER, f"--role={WRITER}", f"--user={WRITER}")
    cluster.kubectl("create", "clusterrole", WRITER, "--verb=get", "--resource=namespaces")
    cluster.kubectl(
        *("create", "clusterrolebinding", WRITER),
        *(f"--clusterrole={WRITER}", f"--user={WRITER}"),
    )
    config = json.loads(cluster.kubectl("config", "view", "--raw", "--minify", "--output=json"))
    config["users"][0]["user"]["as"] = WRITER
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(json.dumps(config))
    try:
        yield evolve(cluster, kubeconfig=kubeconfig)
    finally:
        for kind in ("rolebinding", "role", "clusterrolebinding", "clusterrole"):
            cluster.kubectl("delete", kind, WRITER)


def test_when_it_cannot_tell_whether_there_is_an_authority_it_makes_none(
    installed: Deployed, tmp_path: Path
) -> None:
    before = secrets(installed.cluster)
    with writer(installed.cluster, tmp_path) as cluster:
        ended = cluster.attempt(GENERATE)
    assert ended.returncode == 1
    assert "generate-secrets: cannot tell whether there is a secret orders-ca" in ended.stderr
    assert secrets(installed.cluster) == before
