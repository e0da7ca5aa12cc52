"""One lock, with hashes, defines the libraries for every way to install the service."""

import re
import sys
from email.parser import Parser
from pathlib import Path
from typing import Final
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.debian_package import ROOT, run
from tests.packaging.conftest import Distribution, Installation, run_module

LOCK: Final = ROOT / "requirements.txt"


def locked() -> dict[str, str]:
    return dict(re.findall(r"^([\w-]+)==(\S+)", LOCK.read_text(), re.MULTILINE))


def test_the_locked_versions_are_within_the_ranges_of_the_distribution(
    distribution: Distribution,
) -> None:
    with ZipFile(distribution.wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
    asked = [Requirement(each) for each in metadata.get_all("Requires-Dist", [])]
    service = [
        each for each in asked if each.marker is None or each.marker.evaluate({"extra": "service"})
    ]
    assert len(service) > 4
    wrong = [
        str(each)
        for each in service
        if not each.specifier.contains(locked()[canonicalize_name(each.name)])
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "file",
    [ROOT / "debian/rules", ROOT / "scripts/build-dist", *ROOT.glob("Dockerfile")],
    ids=lambda file: file.name,
)
def test_every_installation_from_a_lock_requires_its_hashes(file: Path) -> None:
    # One command per line, with the variables of debian/rules expanded.
    text = file.read_text(encoding="utf-8").replace("\\\n", " ").replace("&&", "\n")
    for name, value in re.findall(r"^(LOCKED) = (.*)$", text, re.MULTILINE):
        text = text.replace(f"$({name})", value)
    installs = [
        line
        for line in text.splitlines()
        if re.search(r"\binstall\b", line) and "--requirement" in line
    ]
    assert installs
    assert [line for line in installs if "--require-hashes" not in line] == []


def test_pip_installs_exactly_the_tested_versions(
    distribution: Distribution, tmp_path: Path
) -> None:
    """As docs/releasing.md describes."""
    installed = Installation(tmp_path / "environment")
    run(sys.executable, "-m", "venv", "--without-pip", installed.folder)
    pip = ("--python", installed.python, "install")
    requirements = distribution.wheel.parent / distribution.sdist.name.replace(
        ".tar.gz", "-requirements.txt"
    )
    for arguments in (
        (*pip, "--require-hashes", "-r", requirements),
        (*pip, "--no-deps", distribution.wheel),
        ("--python", installed.python, "check"),
    ):
        ended = run_module("pip", *arguments, folder=installed.folder)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    helped = installed.run(installed.folder / "bin/orders", "check", "--help")
    assert helped.returncode == 0, helped.stderr
    printed = installed.execute(
        "from importlib.metadata import distributions as d;"
        "print(*(x.metadata['Name'] + '==' + x.version for x in d()))"
    )
    found = dict(each.split("==") for each in printed.split())
    del found["orders-core"]
    assert {canonicalize_name(name): found[name] for name in found} == locked()
