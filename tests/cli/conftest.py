"""Fixtures of the command's tests."""

from pathlib import Path

import pytest

from tests.cli.command import VARIABLES, Orders


@pytest.fixture
def orders(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Orders:
    """The command, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return Orders(tmp_path, monkeypatch, capsys)
