"""The release workflow, run step by step in another folder."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest
from attrs import frozen

from release.artefacts import CHECKSUMS, Artefacts, sha256
from release.sources import changelog, debian_release, project_version
from tests.debian_package import ROOT, alone, run
from tests.packaging.conftest import NOT_SOURCE, Distribution
from tests.repository.workflows import Step, steps_that_run

VERSION: Final = project_version(ROOT)
ARTEFACTS: Final = Artefacts(VERSION)
TAG: Final = f"v{VERSION}"

# `make` would create a virtual environment for this folder; it uses that of the tests instead.
_MAKE: Final = """\
#!/bin/sh
exec {make} --old-file={venv}/.dev --old-file={venv}/bin/actionlint VENV={venv} "$@"
"""


@frozen
class Released:
    """The results of the workflow.

    Attributes:
        folder: The folder in which it ran.
        outputs: Its outputs for the other jobs.
    """

    folder: Path
    outputs: str

    @property
    def dist(self) -> Path:
        return self.folder / "dist"


def steps_of(job: str) -> Sequence[Step]:
    return [step for step in steps_that_run() if (step.workflow, step.job) == ("release", job)]


def ready_for_release(folder: Path) -> Path:
    """Copy the sources, and prepare them for a release."""
    checkout = Path(shutil.copytree(ROOT, folder, ignore=NOT_SOURCE, copy_function=shutil.copyfile))
    for program in (checkout / "scripts").iterdir():
        program.chmod(0o755)
    for file in checkout.rglob("*"):
        os.utime(file, (0, 0))
    if changelog(ROOT)["Unreleased"].text.strip():
        day = debian_release(ROOT).moment.date()
        file = checkout / "CHANGELOG.md"
        # Between releases the version is the previous one, so its section moves aside.
        text = file.read_text().replace(f"## [{VERSION}]", "## [0.0.0]")
        head = "## [Unreleased]\n"
        file.write_text(text.replace(head, f"{head}\n## [{VERSION}] - {day}\n"))
    return checkout


def follow(step: Step, checkout: Path, outputs: Path) -> None:
    """Run a step as GitHub does, but with unusual settings."""
    programs = checkout.parent / "programs"
    if not programs.exists():
        programs.mkdir()
        make = programs / "make"
        make.write_text(
            _MAKE.format(make=shutil.which("make"), venv=Path(sys.executable).parents[1])
        )
        make.chmod(0o755)
    environment = {
        # `make test` sets variables that GitHub's runner does not.
        **{name: os.environ[name] for name in os.environ if not name.startswith("MAKE")},
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "TAG": TAG,
        "GITHUB_OUTPUT": str(outputs),
        "TZ": "Pacific/Apia",
        "LC_ALL": "C",
        "HOME": str(checkout.parent),
        "PIP_CACHE_DIR": run(sys.executable, "-m", "pip", "cache", "dir").strip(),
    }
    ended = subprocess.run(
        ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step.command),
        cwd=checkout,
        env=environment,
        umask=0o077,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, f"{step.command}\n{ended.stdout}\n{ended.stderr}"


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory, worker_id: str, package: Path) -> Released:
    """The results of everything before publishing; the test processes share one run."""
    # The fixture `package` has installed the tools.
    assert package.exists()
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "release"
    checkout, outputs = folder / "another checkout", folder / "outputs"
    with alone(folder):
        if not checkout.exists():
            ready_for_release(checkout)
            for step in steps_of("build"):
                follow(step, checkout, outputs)
            # The job that publishes the image provides this file.
            sbom = json.loads((checkout / "dist" / f"{ARTEFACTS.package}.cdx.json").read_text())
            (checkout / "dist" / ARTEFACTS.image_sbom).write_text(json.dumps(sbom))
            for step in steps_of("publish"):
                if step.command.startswith("make "):
                    follow(step, checkout, outputs)
    return Released(checkout, outputs.read_text())


def test_it_creates_exactly_the_files_of_a_release(released: Released) -> None:
    names = {file.name for file in released.dist.iterdir()}
    assert names == {*ARTEFACTS.files, CHECKSUMS}


def test_its_checksums_cover_every_file(released: Released) -> None:
    ended = subprocess.run(
        ("sha256sum", "--check", "--strict", CHECKSUMS),
        cwd=released.dist,
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(ended.stdout.splitlines()) == len(ARTEFACTS.files)


def test_it_passes_the_version_to_the_image(released: Released) -> None:
    assert released.outputs == f"version={VERSION}\n"


def test_its_notes_are_the_section_of_the_changelog(released: Released) -> None:
    notes = (released.folder / "release-notes.md").read_text()
    assert notes.strip() in (ROOT / "CHANGELOG.md").read_text()
    assert "## [" not in notes
    assert notes.startswith("### ")


def test_the_wheel_and_the_source_archive_are_reproducible(
    released: Released, distribution: Distribution
) -> None:
    for file in (distribution.wheel, distribution.sdist):
        assert sha256(released.dist / file.name) == sha256(file)


def test_the_debian_package_is_reproducible(released: Released, package: Path) -> None:
    assert sha256(released.dist / package.name) == sha256(package)


def test_the_sboms_are_reproducible(released: Released, tmp_path: Path) -> None:
    shutil.copy(released.dist / ARTEFACTS.package, tmp_path)
    run(sys.executable, "-m", "release", "sbom", "--dist", tmp_path)
    (again,) = tmp_path.glob("*.cdx.json")
    assert again.read_bytes() == (released.dist / again.name).read_bytes()


@pytest.mark.parametrize("name", [ARTEFACTS.wheel, ARTEFACTS.package])
def test_an_sbom_has_the_digest_of_its_file_and_every_library_in_it(
    released: Released, name: str
) -> None:
    bill = json.loads((released.dist / f"{name}.cdx.json").read_text())
    subject = bill["metadata"]["component"]
    assert subject["hashes"] == [{"alg": "SHA-256", "content": sha256(released.dist / name)}]
    locked = dict(
        re.findall(r"^([\w-]+)==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    )
    if name == ARTEFACTS.package:
        # Debian's own package replaces tzdata, and the package contains our library.
        del locked["tzdata"]
        locked["orders-core"] = VERSION
    found = {each["name"].replace("_", "-"): each["version"] for each in bill["components"]}
    assert found == locked
    assert [each["name"] for each in bill["components"] if not each.get("licenses")] == []


def test_every_library_of_an_sbom_is_a_dependency_of_something(released: Released) -> None:
    for name in (ARTEFACTS.wheel, ARTEFACTS.package):
        bill = json.loads((released.dist / f"{name}.cdx.json").read_text())
        known = {each["ref"]: each.get("dependsOn", []) for each in bill["dependencies"]}
        reached, waiting = set[str](), [bill["metadata"]["component"]["bom-ref"]]
        while waiting:
            ref = waiting.pop()
            reached.add(ref)
            waiting += [each for each in known[ref] if each not in reached]
        assert {each["bom-ref"] for each in bill["components"]} <= reached
