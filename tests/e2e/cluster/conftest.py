"""A cluster with Orders for the tests in this folder."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.debian_package import ROOT, run
from tests.e2e.cluster.lab import (
    POSTGRES_IMAGE,
    Cluster,
    Deployed,
    lab,
)

# Update mounted files within seconds. The default takes a minute or more.
_KIND: Final = """\
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
kubeadmConfigPatches:
  - |
    apiVersion: kubelet.config.k8s.io/v1beta1
    kind: KubeletConfiguration
    syncFrequency: 2s
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run all tests on one cluster in the same worker process, one after the other."""
    here = Path(__file__).parent
    # These use another cluster, or none.
    apart = {"test_terraform.py": "terraform", "test_manifests.py": "manifests"}
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.xdist_group(apart.get(item.path.name, "cluster")))


@pytest.fixture(scope="session")
def image() -> Iterator[str]:
    """The image, built from the current sources."""
    run(lab() / "docker-engine", "up")
    name = f"orders:e2e-{secrets.token_hex(4)}"
    run("make", "image", f"IMAGE={name}")
    yield name
    run("docker", "image", "rm", "--force", name)


@pytest.fixture(scope="session")
def cluster(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A new cluster with the images and an ingress controller.

    To keep a cluster while you write tests, name it in ORDERS_CLUSTER. It is not removed.
    """
    folder = lab()
    kept = os.environ.get("ORDERS_CLUSTER", "")
    name = kept or f"e2e-{secrets.token_hex(3)}"
    settings = {"KUBE_CLUSTER": name}
    config = tmp_path_factory.mktemp("kind") / "cluster.yaml"
    config.write_text(_KIND)
    try:
        kubeconfig = Path(run(folder / "kube", "up", name, "--config", config).strip())
        run(folder / "kube", "load", image, POSTGRES_IMAGE, settings=settings)
        run(folder / "ingress", "up", settings=settings)
        tools = run(folder / "kube", "env", settings=settings)
        path = tools.partition("PATH=")[2].partition(":")[0] + os.pathsep + os.environ["PATH"]
        template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        node = f"{name}-control-plane"
        address = run("docker", "inspect", "--format", template, node).strip()
        yield Cluster(name, path, kubeconfig, address)
    finally:
        if not kept:
            run(folder / "kube", "down", name)


def overlay_with(folder: Path, image: str) -> Path:
    """Write a kustomization of the overlay for kind with another image."""
    kind = os.path.relpath(ROOT / "k8s/overlays/kind", folder.resolve())
    name, _, tag = image.partition(":")
    (folder / "kustomization.yaml").write_text(
        f"resources: [{kind}]\nimages: [{{name: orders, newName: '{name}', newTag: '{tag}'}}]\n"
    )
    return folder


@pytest.fixture(scope="session")
def installed(cluster: Cluster, image: str, tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    """Orders, installed with the documented commands."""
    overlay = overlay_with(tmp_path_factory.mktemp("overlay"), image)
    deployed = Deployed(cluster, overlay, overlay / "authority.crt")
    deployed.install()
    return deployed


@pytest.fixture
def empty(installed: Deployed) -> Deployed:
    """Orders without any stored order."""
    installed.cluster.sql("TRUNCATE orders")
    return installed


@pytest.fixture
def changing(empty: Deployed) -> Iterator[Deployed]:
    """Orders without any stored order, for tests that change the deployment; changes are undone."""
    yield empty
    empty.restore()
