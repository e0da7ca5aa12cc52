"""The distribution as users get it: built from a copy, installed in a new environment."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from attrs import frozen

ROOT = Path(__file__).parents[2]
# Environments, caches, earlier builds and databases, which a fresh clone does not contain.
NOT_SOURCE = shutil.ignore_patterns(
    ".*", "__pycache__", "*.egg-info", "artefacts", "build", "dist", "*.db*"
)


@frozen
class Distribution:
    """The files of a build."""

    sdist: Path
    wheel: Path


@frozen
class Installation:
    """A virtual environment with nothing but what `pip install` installed."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin/python"

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command without any settings in the environment."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env={"PATH": f"{self.folder}/bin"},
            capture_output=True,
            text=True,
            check=False,
        )

    def execute(self, code: str) -> str:
        """Run Python code in this environment and return its output."""
        ended = self.run(self.python, "-I", "-c", code)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout


def run_module(
    module: str, *arguments: str | Path, folder: Path
) -> subprocess.CompletedProcess[str]:
    """Run a development tool of the tests' environment, outside the checkout."""
    return subprocess.run(
        (sys.executable, "-m", module, *arguments),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def build(tree: Path, into: Path, *options: str) -> None:
    """Build a folder with the tools of the tests' environment."""
    ended = run_module("build", "--no-isolation", *options, "--outdir", into, tree, folder=into)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.fixture(scope="session")
def source_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project's files, because a build writes beside its sources."""
    return Path(
        shutil.copytree(ROOT, tmp_path_factory.mktemp("source") / "orders", ignore=NOT_SOURCE)
    )


@pytest.fixture(scope="session")
def distribution(source_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Distribution:
    """The source archive and the wheel built from it, as `make build` produces them."""
    folder = tmp_path_factory.mktemp("dist")
    ended = subprocess.run(
        (source_tree / "scripts/build-dist", folder),
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (sdist,) = folder.glob("*.tar.gz")
    (wheel,) = folder.glob("*.whl")
    return Distribution(sdist, wheel)


@pytest.fixture(scope="session")
def installation(
    distribution: Distribution,
    tmp_path_factory: pytest.TempPathFactory,
) -> Installation:
    """The wheel, installed without extras."""
    installed = Installation(tmp_path_factory.mktemp("installed"))
    venv.create(installed.folder)
    pip = ("--python", installed.python, "install", distribution.wheel)
    ended = run_module("pip", *pip, folder=installed.folder)
    assert ended.returncode == 0, ended.stderr
    return installed
