"""The autoscaler of k8s/base, with metrics-server."""

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml

from tests.debian_package import ROOT, run
from tests.e2e.cluster.lab import DEPLOYMENT, Deployed, lab
from tests.faults.traffic import traffic
from tests.postgres_server import wait_until

_AUTOSCALER: Final = "horizontalpodautoscaler/orders"
_MAX_REPLICAS: Final = 5


@pytest.fixture
def autoscaled(changing: Deployed) -> Iterator[Deployed]:
    """Orders with its autoscaler and metrics-server."""
    cluster = changing.cluster
    run(lab() / "kube", "addon", "metrics-server", settings={"KUBE_CLUSTER": cluster.name})
    autoscaler: dict[str, Any] = yaml.safe_load((ROOT / "k8s/base/autoscaling.yaml").read_text())
    # Lower than a replica's usage under these tests' load on a small machine.
    autoscaler["spec"]["maxReplicas"] = _MAX_REPLICAS
    autoscaler["spec"]["metrics"][0]["resource"]["target"]["averageValue"] = "30m"
    cluster.kubectl("apply", "--filename=-", text=json.dumps(autoscaler))
    yield changing
    cluster.kubectl("delete", _AUTOSCALER)


def status(deployed: Deployed) -> dict[str, Any]:
    """Return the autoscaler's status."""
    found: dict[str, Any] = deployed.cluster.get(_AUTOSCALER)["status"]
    return found


def test_more_load_adds_replicas_and_fails_no_request(autoscaled: Deployed) -> None:
    cluster = autoscaled.cluster
    with traffic(autoscaled.service, 0.005) as clients:
        wait_until(lambda: status(autoscaled).get("desiredReplicas") == _MAX_REPLICAS, seconds=300)
        cluster.settled(_MAX_REPLICAS)
        clients.wait_for_orders(500)
    clients.assert_all_answered()
    clients.assert_kept(cluster.orders())


def test_it_does_not_scale_up_from_zero(autoscaled: Deployed) -> None:
    """A restore relies on this, so that no order is placed during it."""
    cluster = autoscaled.cluster
    cluster.kubectl("scale", DEPLOYMENT, "--replicas=0")
    cluster.settled(0)
    wait_until(
        lambda: any(
            each["type"] == "ScalingActive" and each["reason"] == "ScalingDisabled"
            for each in status(autoscaled).get("conditions", ())
        ),
        seconds=60,
    )
    assert cluster.pods() == []
