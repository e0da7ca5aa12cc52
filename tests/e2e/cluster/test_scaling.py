"""The autoscaler of k8s/base, with the cluster's metrics: more work brings more replicas."""

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
_MOST: Final = 5


@pytest.fixture
def autoscaled(changing: Deployed) -> Iterator[Deployed]:
    """Orders with its autoscaler, which has what it needs: metrics of the pods."""
    cluster = changing.cluster
    run(lab() / "kube", "addon", "metrics-server", settings={"KUBE_CLUSTER": cluster.name})
    autoscaler: dict[str, Any] = yaml.safe_load((ROOT / "k8s/base/autoscaling.yaml").read_text())
    # Less than a replica does under the load of these tests, on a small machine.
    autoscaler["spec"]["maxReplicas"] = _MOST
    autoscaler["spec"]["metrics"][0]["resource"]["target"]["averageValue"] = "30m"
    cluster.kubectl("apply", "--filename=-", text=json.dumps(autoscaler))
    yield changing
    cluster.kubectl("delete", _AUTOSCALER)


def status(deployed: Deployed) -> dict[str, Any]:
    """Tell what the autoscaler sees, and wants."""
    found: dict[str, Any] = deployed.cluster.get(_AUTOSCALER)["status"]
    return found


def test_more_requests_bring_more_replicas_and_fail_none(autoscaled: Deployed) -> None:
    cluster = autoscaled.cluster
    with traffic(autoscaled.service, 0.005) as clients:
        wait_until(lambda: status(autoscaled).get("desiredReplicas") == _MOST, seconds=300)
        cluster.settled(_MOST)
        clients.wait_for_orders(500)
    clients.assert_all_answered()
    clients.assert_kept(cluster.orders())


def test_it_leaves_a_service_alone_that_is_to_have_no_replica(autoscaled: Deployed) -> None:
    """So that nobody places an order while a backup is restored."""
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
