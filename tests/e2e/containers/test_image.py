"""The image workflow: build, start with a database, smoke-test, and write the SBOM."""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from release.artefacts import Artefacts
from release.sources import project_version
from tests.debian_package import ROOT, run
from tests.postgres_server import free_port
from tests.repository.workflows import steps_that_run

_SBOM = ROOT / "dist" / Artefacts(project_version(ROOT)).image_sbom


def _engine() -> Path:
    """Find the command for Docker, or skip: a skipped test fails in CI."""
    lab = os.environ.get("ORDERS_LAB", "")
    command = (ROOT / lab / "docker-engine").resolve()
    if os.geteuid() != 0 or not lab or not command.exists():
        pytest.skip("needs root, and docker-engine in ORDERS_LAB: see tests/e2e/README.md")
    return command


@pytest.fixture
def settings() -> Iterator[Mapping[str, str]]:
    """A project name and free ports; the project is removed at the end."""
    run(_engine(), "up")
    chosen = {
        "COMPOSE_PROJECT_NAME": f"orders-test-{os.getpid()}",
        "ORDERS_PORT": str(free_port()),
        "ORDERS_OPS_PORT": str(free_port()),
    }
    yield chosen
    run("docker", "compose", "down", "--volumes", settings=chosen)
    _SBOM.unlink(missing_ok=True)


def test_every_step_that_tries_the_image_passes(settings: Mapping[str, str]) -> None:
    steps = [step.command for step in steps_that_run() if step.workflow == "image"]
    tried = steps[: steps.index("docker compose logs") + 1]
    assert "make image" in tried
    for step in tried:
        command = re.sub(r"\b8000\b", settings["ORDERS_PORT"], step)
        ended = subprocess.run(
            ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", command),
            cwd=ROOT,
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, f"{command}\n{ended.stdout}\n{ended.stderr}"
    bill = json.loads(_SBOM.read_text())
    names = {component["name"] for component in bill["components"]}
    # Both Python libraries and Debian packages are listed.
    assert {"orders-core", "waitress", "libc6"} <= names
    locked = dict(
        re.findall(r"^([\w-]+)==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    )
    versions = {
        each["name"].replace("_", "-"): each["version"]
        for each in bill["components"]
        if each["purl"].startswith("pkg:pypi/")
    }
    assert versions == {**locked, "orders-core": project_version(ROOT)}
