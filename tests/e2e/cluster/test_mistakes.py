"""A deployment mistake shows within a minute, and the old pods keep serving."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from attrs import evolve

from tests.debian_package import run
from tests.e2e.cluster.lab import Cluster, Deployed, is_ready, lab, names
from tests.faults.traffic import traffic
from tests.postgres_server import wait_until

_SECONDS: Final = 60


def pod_template(kind: str, name: str, container: object, volumes: Sequence[object]) -> object:
    """Return a patch for the pod template of a Deployment or a Job."""
    return {
        "apiVersion": {"Deployment": "apps/v1", "Job": "batch/v1"}[kind],
        "kind": kind,
        "metadata": {"name": name, "namespace": "orders"},
        "spec": {"template": {"spec": {"containers": [container], "volumes": volumes}}},
    }


def service_with(container: Mapping[str, object], *volumes: object) -> object:
    """Return a patch for the service's Deployment."""
    return pod_template("Deployment", "orders", {"name": "orders", **container}, volumes)


@contextmanager
def mistaken(deployed: Deployed, folder: Path, *patches: object) -> Iterator[None]:
    """Apply the overlay with a mistake; assert that no new pod serves and the old ones continue.

    `changing` undoes the mistake.
    """
    cluster = deployed.cluster
    before = ready(cluster)
    kustomization = {
        "resources": [os.path.relpath(deployed.overlay, folder)],
        "patches": [{"patch": json.dumps(patch)} for patch in patches],
    }
    (folder / "kustomization.yaml").write_text(json.dumps(kustomization))
    with traffic(deployed.service, 0.05) as clients:
        evolve(deployed, overlay=folder).update()
        yield
        clients.wait_for_orders(100)
        assert ready(cluster) == before
    clients.assert_all_answered()


def ready(cluster: Cluster) -> set[str]:
    """Return the names of the ready service pods."""
    return names([pod for pod in cluster.pods() if is_ready(pod)])


def described(cluster: Cluster, *selector: str) -> str:
    """Return the output of `kubectl describe` for the pods that are not ready."""
    pods: Sequence[Any] = cluster.get("pods", *selector)["items"]
    waiting = [pod["metadata"]["name"] for pod in pods if not is_ready(pod)]
    if not waiting:
        return ""
    return cluster.kubectl("describe", "pods", *waiting)


def listed(cluster: Cluster) -> str:
    """Return the output of `kubectl get pods`."""
    return cluster.kubectl("get", "pods")


def test_an_invalid_database_url(changing: Deployed, tmp_path: Path) -> None:
    wrong = {"env": [{"name": "DATABASE_URL", "value": "postgresql://orders-postgres?sslmode=no"}]}
    cluster = changing.cluster
    with mistaken(changing, tmp_path, service_with(wrong)):
        wait_until(lambda: "CrashLoopBackOff" in listed(cluster), seconds=_SECONDS)
        assert "orders: database_url (environment DATABASE_URL): " in described(cluster)


def test_an_unknown_database_host(changing: Deployed, tmp_path: Path) -> None:
    wrong = {"env": [{"name": "DATABASE_URL", "value": "postgresql://ordersuser@nowhere/ordersdb"}]}
    cluster = changing.cluster
    with mistaken(changing, tmp_path, service_with(wrong)):
        wait_until(
            lambda: (
                "Readiness probe failed: HTTP probe failed with statuscode: 503"
                in described(cluster)
            ),
            seconds=_SECONDS,
        )


def test_a_missing_secret(changing: Deployed, tmp_path: Path) -> None:
    missing = {"name": "tls", "secret": {"secretName": "orders-forgotten"}}
    cluster = changing.cluster
    with mistaken(changing, tmp_path, service_with({}, missing)):
        wait_until(
            lambda: 'secret "orders-forgotten" not found' in described(cluster), seconds=_SECONDS
        )
        assert "ContainerCreating" in listed(cluster)


def test_a_missing_image(changing: Deployed, tmp_path: Path) -> None:
    wrong = {"image": "orders.invalid/orders:none"}
    cluster = changing.cluster
    with mistaken(changing, tmp_path, service_with(wrong)):
        wait_until(lambda: "ImagePull" in listed(cluster), seconds=_SECONDS)
        assert 'Failed to pull image "orders.invalid/orders:none"' in described(cluster)


_NEXT_RELEASE: Final = r"""
FROM {image}
USER 0:0
RUN cd /opt/orders/lib/python3.13/site-packages/orders_postgres && \
    sed -i 's/^SCHEMA_VERSION.*/SCHEMA_VERSION = 4/' schema.py && rm -r __pycache__ && \
    echo 'SELECT 1 / 0;' >migrations/0004_broken.sql
USER 10001:10001
"""


@pytest.fixture
def next_release(installed: Deployed, image: str) -> Iterator[str]:
    """An image of a release with one more migration, which fails."""
    name = f"{image}-next"
    run("docker", "build", "--tag", name, "-", text=_NEXT_RELEASE.format(image=image))
    run(lab() / "kube", "load", name, settings={"KUBE_CLUSTER": installed.cluster.name})
    yield name
    run("docker", "image", "rm", "--force", name)


def test_a_failing_migration(changing: Deployed, tmp_path: Path, next_release: str) -> None:
    job = pod_template("Job", "orders-migrate", {"name": "migrate", "image": next_release}, [])
    cluster = changing.cluster
    with mistaken(changing, tmp_path, service_with({"image": next_release}), job):
        wait_until(
            lambda: "division by zero" in described(cluster, "--selector=job-name=orders-migrate"),
            seconds=_SECONDS,
        )
        wait_until(lambda: "CrashLoopBackOff" in listed(cluster), seconds=_SECONDS)
        assert "(missing: 0004_broken.sql)" in described(cluster)
