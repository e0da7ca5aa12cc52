"""GitHub's workflows run the same commands as developers, with the least privileges."""

import re
from collections.abc import Mapping
from itertools import groupby
from typing import Final

import pytest

from tests.repository.workflows import FOLDER, ROOT, jobs, steps_that_run, workflows

# Commands that cannot run elsewhere, because they need GitHub or a registry; with the reason.
GITHUB_ONLY: Final = {
    'cat artefacts/coverage.md >>"$GITHUB_STEP_SUMMARY"': "writes to the page of the run",
    'cosign sign --yes "$IMAGE"': "signs with the identity that GitHub gives the run",
    'docker pull --quiet "$IMAGE"': "pulls what was pushed to GitHub's registry",
    "gh release create": "publishes on GitHub",
    'echo "name=${NAME%:*}"': "passes on the result of the push to GitHub's registry",
    'echo "seconds=$(git log': "passes a value to the build that pushes to GitHub's registry",
    'echo "file=$(ls dist/*_image.cdx.json)"': "passes a value to the step that attests on GitHub",
    "helm repo add": "downloads a chart and its images",
    "kubectl apply --kustomize k8s/components/monitoring": "needs the resource types of that chart",
    "kubectl --namespace monitoring port-forward": "needs the services of that chart",
    "kubectl --namespace orders scale statefulset/orders-postgres": "makes an alert of it fire",
}
# The other commands, and where else they run.
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


def test_every_command_of_a_workflow_also_runs_elsewhere_or_needs_github() -> None:
    known = (*GITHUB_ONLY, *RUN_BY)
    unknown = [
        f"{step.workflow}: {step.command}"
        for step in steps_that_run()
        if not any(step.command.startswith(each) for each in known)
    ]
    assert unknown == []


def test_every_listed_command_is_in_a_workflow() -> None:
    commands = [step.command for step in steps_that_run()]
    listed = (*GITHUB_ONLY, *RUN_BY)
    assert [each for each in listed if not any(cmd.startswith(each) for cmd in commands)] == []


def test_every_file_that_is_listed_as_running_a_command_exists() -> None:
    assert [file for file in RUN_BY.values() if not (ROOT / file).exists()] == []


def test_every_make_target_in_a_workflow_exists() -> None:
    made = {
        word
        for step in steps_that_run()
        for line in re.findall(r"^make ((?:[a-z-]+(?: |$))+)", step.command, re.MULTILINE)
        for word in line.split()
    }
    targets = set(re.findall(r"^\.PHONY: (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert "lint" in made
    assert made - targets == set()


def test_workflows_have_no_permissions_beyond_those_that_a_job_declares() -> None:
    for name, workflow in workflows().items():
        assert workflow["permissions"] == {}, name
    for workflow_name, name, job in jobs():
        assert job["permissions"], f"{workflow_name}: {name}"


def test_every_job_has_a_time_limit_and_every_workflow_a_concurrency_group() -> None:
    for name, workflow in workflows().items():
        assert workflow["concurrency"]["group"], name
    for workflow_name, name, job in jobs():
        assert "uses" in job or job["timeout-minutes"] <= 90, f"{workflow_name}: {name}"


def test_no_checkout_leaves_credentials_behind() -> None:
    for workflow, name, job in jobs():
        for step in job.get("steps", ()):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False, f"{workflow}: {name}"


def test_every_action_is_pinned_to_a_commit_with_its_version_beside_it() -> None:
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


def test_no_workflow_gives_outsiders_its_privileges() -> None:
    for name, text in texts().items():
        assert "pull_request_target" not in text, name
        assert "workflow_run" not in text, name
        assert "secrets." not in text, name


@pytest.mark.parametrize("permission", ["packages", "contents", "attestations"])
def test_a_pull_request_publishes_nothing(permission: str) -> None:
    for workflow, name, job in jobs():
        if job["permissions"].get(permission) != "write":
            continue
        events = workflows()[workflow]["on"]
        guarded = "github.event_name != 'pull_request'" in job.get("if", "")
        assert guarded or "pull_request" not in events, f"{workflow}: {name}"


def test_only_a_release_is_tagged_latest() -> None:
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


def test_every_ignored_finding_of_zizmor_has_a_reason_beside_it() -> None:
    for name, text in texts().items():
        lines = text.splitlines()
        for before, line in zip(["", *lines], lines, strict=False):
            if "zizmor: ignore" in line:
                explained = re.search(r"ignore\[[\w-]+\] \w", line) or before.strip().startswith(
                    "#"
                )
                assert explained, f"{name}: {line}"
