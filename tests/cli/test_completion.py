"""`orders completion`: the shipped scripts are up to date, and bash completes with them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from orders_cli.exits import Exit
from orders_service.configuration.settings import SETTINGS
from tests.cli.command import Orders

SHELLS = ("bash", "zsh")
FLAGS = {"--config", *(setting.flag for setting in SETTINGS if setting.flag)}

# What bash does when Tab is pressed behind the last word.
PRESS_TAB = """
source ./orders.bash
COMP_WORDS=("$@")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
function=$(complete -p orders)
function=${function##*-F }
"${function%% *}" orders "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def completed(orders: Orders, *words: str) -> set[str]:
    """Return what bash offers for the last of these words."""
    Path("orders.bash").write_text(orders("completion", "bash").out, encoding="utf-8")
    bash = shutil.which("bash")
    assert bash is not None
    ended = subprocess.run(
        [bash, "--norc", "-c", PRESS_TAB, "-", "orders", *words],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stderr == ""
    return set(ended.stdout.split())


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shipped_script_is_what_make_completion_writes(orders: Orders, shell: str) -> None:
    # As the Makefile calls it.
    shtab = ("-m", "shtab", "--prefix=orders", f"--shell={shell}", "orders_cli.parser.build_parser")
    generated = subprocess.run(
        [sys.executable, *shtab],
        capture_output=True,
        env={"PYTHONPATH": ":".join(sys.path)},
        text=True,
        check=True,
    )
    ended = orders("completion", shell)
    assert (ended.status, ended.err) == (Exit.DONE, "")
    assert ended.out.count("\n") > 100
    assert ended.out == generated.stdout


def test_bash_completes_the_commands(orders: Orders) -> None:
    everything = {"serve", "migrate", "import", "export", "check", "token", "completion"}
    assert completed(orders, "") == everything
    assert completed(orders, "e") == {"export"}
    assert completed(orders, "--v") == {"--version"}


def test_bash_completes_the_flags_of_a_command(orders: Orders) -> None:
    assert completed(orders, "serve", "--") == {"--help", *FLAGS}
    assert completed(orders, "export", "--") == {"--help", "--output", "--format", *FLAGS}
    assert completed(orders, "migrate", "--g") == {"--grant-to"}


def test_bash_completes_the_choices_of_a_flag(orders: Orders) -> None:
    assert completed(orders, "import", "--format", "") == {"csv", "ndjson", "json"}
    assert completed(orders, "completion", "z") == {"zsh"}


def test_bash_completes_files_where_a_file_belongs(orders: Orders) -> None:
    Path("jan.csv").touch()
    Path("jan.toml").touch()
    for words in (
        ("import",),
        ("export", "--output"),
        ("serve", "--config"),
        ("serve", "--tokens-file"),
    ):
        assert completed(orders, *words, "jan") == {"jan.csv", "jan.toml"}
