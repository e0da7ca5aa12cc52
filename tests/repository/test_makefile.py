"""`make` lists its targets."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def make(*arguments: str) -> str:
    command = ("make", "--no-print-directory", *arguments)
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return ended.stdout


def test_help_describes_every_target() -> None:
    targets = re.findall(r"^\.PHONY: ([a-z0-9-]+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert "test" in targets
    listed = re.findall(r"^make ([a-z0-9-]+) +\w", make("help"), re.MULTILINE)
    assert listed == targets


def test_make_alone_is_help() -> None:
    assert make() == make("help")
