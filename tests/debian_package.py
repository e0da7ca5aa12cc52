"""The Debian package, built from this project's files; and newer ones, for upgrades."""

import fcntl
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import md5
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let one process at a time do what needs the folder for itself."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(
    *command: str | Path,
    umask: int = -1,
    settings: Mapping[str, str] | None = None,
    text: str = "",
) -> str:
    """Run a command in the project's folder, and give what it printed.

    Args:
        command: The command and its arguments.
        umask: Its umask, when it is not that of the tests.
        settings: Environment variables in addition to those of the tests.
        text: What it reads from its standard input.
    """
    ended = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **(settings or {})},
        umask=umask,
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, f"{command}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


def newer(package: Path, version: str, folder: Path) -> Path:
    """Make a package of the same content, but for its version."""
    content = folder / version
    run("dpkg-deb", "--raw-extract", package, content)
    files = [content / "DEBIAN/control", *content.glob("usr/lib/orders/orders_core-*/METADATA")]
    for file in files:
        text = file.read_text()
        file.write_text(re.sub(r"(?m)^Version: .*", f"Version: {version}", text, count=1))
    _update_checksums(content)
    made = folder / f"orders_{version}_all.deb"
    run("dpkg-deb", "--root-owner-group", "-Znone", "--build", content, made)
    return made


def _update_checksums(content: Path) -> None:
    """Let the package's list of checksums, by which debsums finds changes, be true again."""
    sums = content / "DEBIAN/md5sums"
    files = [line.split(maxsplit=1)[1] for line in sums.read_text().splitlines()]
    lines = [
        f"{md5((content / file).read_bytes(), usedforsecurity=False).hexdigest()}  {file}\n"
        for file in files
    ]
    sums.write_text("".join(lines))


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The package, which the processes of one run of the tests build once."""
    tools = ("dpkg-buildpackage", "dh", "dh_python3", "po2debconf", "pip", "lintian")
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "package"
    with alone(folder):
        required = subprocess.run(
            ("scripts/require", *tools), cwd=ROOT, capture_output=True, text=True, check=False
        )
        if required.returncode != 0:
            pytest.skip(required.stderr)
        if not list(folder.glob("*.deb")):
            run("scripts/build-deb", folder)
        (built,) = folder.glob("*.deb")
        return built
