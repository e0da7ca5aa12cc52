"""The shell completions match the command's parser."""

from pathlib import Path

import pytest
import shtab

from orders_cli.parser import build_parser

COMPLETIONS = Path(__file__).parents[2] / "entrypoints/orders_cli/completions"


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_completions_are_up_to_date(shell: str) -> None:
    written = (COMPLETIONS / f"orders.{shell}").read_text()
    assert written == shtab.complete(build_parser(), shell) + "\n", "run: make completion"
