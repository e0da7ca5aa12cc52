"""The workflow that deploys to kind, on one of the lab's clusters."""

from tests.debian_package import run
from tests.e2e.cluster.lab import Deployed, lab
from tests.repository.workflows import steps_that_run

_SERVICE_PORT = 30080
# The lab has already built an image, and loads it into the cluster in its own way.
_REPLACED = ("make image", "kind load docker-image")


def test_every_step_of_the_workflow_passes(changing: Deployed, image: str) -> None:
    cluster = changing.cluster
    run("docker", "tag", image, "orders:dev")
    run(lab() / "kube", "load", "orders:dev", settings={"KUBE_CLUSTER": cluster.name})
    steps = [step.command for step in steps_that_run() if step.workflow == "deploy-to-kind"]
    output = ""
    try:
        for step in steps:
            if not step.startswith(_REPLACED):
                command = step.replace("127.0.0.1:8080", f"{cluster.address}:{_SERVICE_PORT}")
                output += cluster.run("bash", "-eo", "pipefail", "-c", command)
    finally:
        # The migration is a Job, and a Job's image cannot be changed.
        changing.update()
    assert "and read it back" in output
    assert "deployment.apps/orders" in output
