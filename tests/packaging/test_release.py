"""What the release workflow builds, step by step, in another place than everything else here."""

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

# `make` makes an environment of its own for each place; here the one of the tests serves.
_MAKE: Final = """\
#!/bin/sh
exec {make} --old-file={venv}/.dev --old-file={venv}/bin/actionlint VENV={venv} "$@"
"""


@frozen
class Released:
    """What the workflow left.

    Attributes:
        folder: Where it ran.
        outputs: What it handed on to the other jobs.
    """

    folder: Path
    outputs: str

    @property
    def dist(self) -> Path:
        return self.folder / "dist"


def steps_of(job: str) -> Sequence[Step]:
    return [step for step in steps_that_run() if (step.workflow, step.job) == ("release", job)]


def ready_for_release(folder: Path) -> Path:
    """Copy the sources, and let them say of themselves what those of a release say."""
    checkout = Path(shutil.copytree(ROOT, folder, ignore=NOT_SOURCE, copy_function=shutil.copyfile))
    for program in (checkout / "scripts").iterdir():
        program.chmod(0o755)
    for file in checkout.rglob("*"):
        os.utime(file, (0, 0))
    if changelog(ROOT)["Unreleased"].text.strip():
        day = debian_release(ROOT).moment.date()
        file = checkout / "CHANGELOG.md"
        # After a release its version stays until the next one; that section is not of now.
        text = file.read_text().replace(f"## [{VERSION}]", "## [0.0.0]")
        head = "## [Unreleased]\n"
        file.write_text(text.replace(head, f"{head}\n## [{VERSION}] - {day}\n"))
    return checkout


def follow(step: Step, checkout: Path, outputs: Path) -> None:
    """Do what a step does, as GitHub does it, under unusual circumstances."""
    programs = checkout.parent / "programs"
    if not programs.exists():
        programs.mkdir()
        make = programs / "make"
        make.write_text(
            _MAKE.format(make=shutil.which("make"), venv=Path(sys.executable).parents[1])
        )
        make.chmod(0o755)
    environment = {
        # GitHub's runner is no make, though `make test` is.
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
    """Everything that the workflow does before it publishes; the tests' processes do it once."""
    # The package's fixture has seen to the tools.
    assert package.exists()
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "release"
    checkout, outputs = folder / "another checkout", folder / "outputs"
    with alone(folder):
        if not checkout.exists():
            ready_for_release(checkout)
            for step in steps_of("build"):
                follow(step, checkout, outputs)
            # The job that publishes the image hands this on.
            sbom = json.loads((checkout / "dist" / f"{ARTEFACTS.package}.cdx.json").read_text())
            (checkout / "dist" / ARTEFACTS.image_sbom).write_text(json.dumps(sbom))
            for step in steps_of("publish"):
                if step.command.startswith("make "):
                    follow(step, checkout, outputs)
    return Released(checkout, outputs.read_text())


def test_it_makes_every_file_of_a_release_and_none_besides(released: Released) -> None:
    names = {file.name for file in released.dist.iterdir()}
    assert names == {*ARTEFACTS.files, CHECKSUMS}


def test_its_checksums_are_those_of_every_file(released: Released) -> None:
    ended = subprocess.run(
        ("sha256sum", "--check", "--strict", CHECKSUMS),
        cwd=released.dist,
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(ended.stdout.splitlines()) == len(ARTEFACTS.files)


def test_it_hands_the_version_to_the_image(released: Released) -> None:
    assert released.outputs == f"version={VERSION}\n"


def test_its_notes_are_the_section_of_the_changelog(released: Released) -> None:
    notes = (released.folder / "release-notes.md").read_text()
    assert notes.strip() in (ROOT / "CHANGELOG.md").read_text()
    assert "## [" not in notes
    assert notes.startswith("### ")


def test_the_wheel_and_the_source_archive_are_the_same_bit_for_bit_wherever_they_are_built(
    released: Released, distribution: Distribution
) -> None:
    for file in (distribution.wheel, distribution.sdist):
        assert sha256(released.dist / file.name) == sha256(file)


def test_the_package_is_the_same_bit_for_bit_wherever_and_whenever_it_is_built(
    released: Released, package: Path
) -> None:
    assert sha256(released.dist / package.name) == sha256(package)


def test_the_sboms_are_the_same_whenever_they_are_written(
    released: Released, tmp_path: Path
) -> None:
    shutil.copy(released.dist / ARTEFACTS.package, tmp_path)
    run(sys.executable, "-m", "release", "sbom", "--dist", tmp_path)
    (again,) = tmp_path.glob("*.cdx.json")
    assert again.read_bytes() == (released.dist / again.name).read_bytes()


@pytest.mark.parametrize("name", [ARTEFACTS.wheel, ARTEFACTS.package])
def test_an_sbom_names_its_file_by_digest_and_every_library_in_it(
    released: Released, name: str
) -> None:
    bill = json.loads((released.dist / f"{name}.cdx.json").read_text())
    subject = bill["metadata"]["component"]
    assert subject["hashes"] == [{"alg": "SHA-256", "content": sha256(released.dist / name)}]
    locked = dict(
        re.findall(r"^([\w-]+)==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    )
    if name == ARTEFACTS.package:
        # Debian's own package serves in its place, and it holds our own library.
        del locked["tzdata"]
        locked["orders-core"] = VERSION
    found = {each["name"].replace("_", "-"): each["version"] for each in bill["components"]}
    assert found == locked
    assert [each["name"] for each in bill["components"] if not each.get("licenses")] == []


def test_an_sbom_leaves_no_library_without_who_brings_it(released: Released) -> None:
    for name in (ARTEFACTS.wheel, ARTEFACTS.package):
        bill = json.loads((released.dist / f"{name}.cdx.json").read_text())
        known = {each["ref"]: each.get("dependsOn", []) for each in bill["dependencies"]}
        reached, waiting = set[str](), [bill["metadata"]["component"]["bom-ref"]]
        while waiting:
            ref = waiting.pop()
            reached.add(ref)
            waiting += [each for each in known[ref] if each not in reached]
        assert {each["bom-ref"] for each in bill["components"]} <= reached
