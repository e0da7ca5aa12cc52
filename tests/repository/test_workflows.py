"""GitHub's workflows do what a person types, and no more than they must be able to."""

import re
from collections.abc import Mapping
from itertools import groupby
from typing import Final

import pytest

from tests.repository.workflows import FOLDER, ROOT, jobs, steps_that_run, workflows

# What needs GitHub, an identity of GitHub's or somebody's registry, and cannot run anywhere else.
GITHUB_ONLY: Final = {
    'cat artefacts/coverage.md >>"$GITHUB_STEP_SUMMARY"': "writes on the page of the run",
    'cosign sign --yes "$IMAGE"': "signs with the identity that GitHub gives the run",
    'docker pull --quiet "$IMAGE"': "has what was pushed to GitHub's registry",
    "gh release create": "publishes at GitHub",
    'echo "name=${NAME%:*}"': "hands on what the push to GitHub's registry answered",
    'echo "seconds=$(git log': "hands on to a builder that pushes to GitHub's registry",
    'echo "file=$(ls dist/*_image.cdx.json)"': "hands on to the step that attests at GitHub",
    "helm repo add": "brings a chart and its images from their registries",
    "kubectl apply --kustomize k8s/components/monitoring": "needs what that chart defines",
    "kubectl --namespace monitoring port-forward": "leads to what that chart runs",
    "kubectl --namespace orders scale statefulset/orders-postgres": "lets an alert of it fire",
}
# What runs elsewhere, and where.
RUN_BY: Final = {
    ".ci/run": ".ci/run",
    "make lint types": ".ci/run",
    "make test": ".ci/run",
    "scripts/require make": ".ci/run",
    "scripts/require make pypy3": ".ci/run",
    "make deb": "tests/packaging/test_release.py",
    "make build deb": "tests/packaging/test_release.py",
    "make sbom": "tests/packaging/test_release.py",
    "make release-check": "tests/packaging/test_release.py",
    "make release-notes >release-notes.md": "tests/packaging/test_release.py",
    'echo "version=$(sed': "tests/packaging/test_release.py",
    "make checksums": "tests/packaging/test_release.py",
    "make try-package": "tests/e2e/linux/test_installed.py",
    "make image": "tests/e2e/containers/test_image.py",
    "docker compose up --detach --wait orders": "tests/e2e/containers/test_image.py",
    "make sbom-image": "tests/e2e/containers/test_image.py",
    "docker compose logs": "tests/e2e/containers/test_image.py",
    "make smoke URL=": "tests/repository/test_smoke.py",
    "kind load docker-image orders:dev --name orders": "tests/e2e/cluster/conftest.py",
    "make deploy": "tests/e2e/cluster/test_workflow.py",
    "make diagnose": "tests/e2e/cluster/test_workflow.py",
    "make check-monitoring": "tests/monitoring/test_check_monitoring.py",
    "terraform -chdir=terraform init": "tests/e2e/cluster/test_terraform.py",
    "terraform fmt -check -recursive terraform": "tests/e2e/cluster/test_terraform.py",
    "terraform -chdir=terraform validate": "tests/e2e/cluster/test_terraform.py",
    "terraform -chdir=terraform apply": "tests/e2e/cluster/test_terraform.py",
    "terraform -chdir=terraform plan": "tests/e2e/cluster/test_terraform.py",
    "terraform -chdir=terraform destroy": "tests/e2e/cluster/test_terraform.py",
}


def texts() -> Mapping[str, str]:
    return {file.name: file.read_text("utf-8") for file in sorted(FOLDER.glob("*.yml"))}


def test_every_command_of_a_workflow_is_run_elsewhere_or_needs_github() -> None:
    known = (*GITHUB_ONLY, *RUN_BY)
    unknown = [
        f"{step.workflow}: {step.command}"
        for step in steps_that_run()
        if not any(step.command.startswith(each) for each in known)
    ]
    assert unknown == []


def test_every_command_that_is_listed_stands_in_a_workflow() -> None:
    commands = [step.command for step in steps_that_run()]
    listed = (*GITHUB_ONLY, *RUN_BY)
    assert [each for each in listed if not any(cmd.startswith(each) for cmd in commands)] == []


def test_what_is_said_to_run_a_command_is_there() -> None:
    assert [place for place in RUN_BY.values() if not (ROOT / place).exists()] == []


def test_every_target_that_a_workflow_makes_is_one_of_the_makefile() -> None:
    made = {
        word
        for step in steps_that_run()
        for line in re.findall(r"^make ((?:[a-z-]+(?: |$))+)", step.command, re.MULTILINE)
        for word in line.split()
    }
    targets = set(re.findall(r"^\.PHONY: (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert "lint" in made
    assert made - targets == set()


def test_no_workflow_has_permissions_but_what_a_job_says_it_needs() -> None:
    for name, workflow in workflows().items():
        assert workflow["permissions"] == {}, name
    for workflow_name, name, job in jobs():
        assert job["permissions"], f"{workflow_name}: {name}"


def test_every_job_ends_and_every_workflow_waits_for_or_ends_its_last_run() -> None:
    for name, workflow in workflows().items():
        assert workflow["concurrency"]["group"], name
    for workflow_name, name, job in jobs():
        assert "uses" in job or job["timeout-minutes"] <= 90, f"{workflow_name}: {name}"


def test_no_checkout_leaves_a_password_behind() -> None:
    for workflow, name, job in jobs():
        for step in job.get("steps", ()):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False, f"{workflow}: {name}"


def test_every_action_is_one_commit_with_its_version_beside_it() -> None:
    pins = set()
    for name, text in texts().items():
        for reference in re.findall(r"uses: (.*)$", text, re.MULTILINE):
            if reference.startswith("./"):
                continue
            pin = re.fullmatch(r"([\w./-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)", reference)
            assert pin is not None, f"{name}: {reference}"
            repository = "/".join(pin[1].split("/")[:2])
            pins.add((repository, pin[2], pin[3]))
    for repository, versions in groupby(sorted(pins), key=lambda pin: pin[0]):
        assert len(list(versions)) == 1, f"{repository} is pinned in several versions"


def test_no_workflow_runs_for_strangers_with_more_than_they_have() -> None:
    for name, text in texts().items():
        assert "pull_request_target" not in text, name
        assert "workflow_run" not in text, name
        assert "secrets." not in text, name


@pytest.mark.parametrize("permission", ["packages", "contents", "attestations"])
def test_nothing_is_written_from_a_pull_request(permission: str) -> None:
    for workflow, name, job in jobs():
        if job["permissions"].get(permission) != "write":
            continue
        events = workflows()[workflow]["on"]
        guarded = "github.event_name != 'pull_request'" in job.get("if", "")
        assert guarded or "pull_request" not in events, f"{workflow}: {name}"


def test_only_a_release_is_latest() -> None:
    for name, text in texts().items():
        for line in re.findall(r"^.*\blatest\b.*$", text, re.MULTILINE):
            if line.lstrip().startswith(("#", "flavor: latest=false")):
                continue
            assert line.strip() == ("type=raw,value=latest,enable=${{ inputs.version != '' }}"), (
                f"{name}: {line}"
            )
    callers = [name for name, text in texts().items() if "workflows/image.yml" in text]
    assert callers == ["release.yml"]
    release = workflows()["release"]
    assert release["jobs"]["image"]["if"] == "github.ref_type == 'tag'"


def test_every_finding_that_zizmor_is_told_to_ignore_has_its_reason_beside_it() -> None:
    for name, text in texts().items():
        lines = text.splitlines()
        for before, line in zip(["", *lines], lines, strict=False):
            if "zizmor: ignore" in line:
                explained = re.search(r"ignore\[[\w-]+\] \w", line) or before.strip().startswith(
                    "#"
                )
                assert explained, f"{name}: {line}"
