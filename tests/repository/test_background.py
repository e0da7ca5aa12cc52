"""The tests also pass in the background, without a terminal, or started by a service."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

_ROOT: Final = Path(__file__).parents[2]
# Tests that send Ctrl-C or SIGTERM to processes that they start.
_TESTS: Final = (
    "tests/cli/test_export.py::test_ctrl_c_reports_incomplete_output",
    "tests/cli/test_import.py::test_ctrl_c_reports_the_stored_orders_and_exits_with_130",
    "tests/cli/test_serve.py::test_a_signal_ends_it_gracefully_with_status_0",
)
_IGNORING: Final = """
import os, signal, sys
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD):
    signal.signal(number, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
_BLOCKING: Final = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def run_tests(program: str, environ: Mapping[str, str], *tests: str) -> str:
    """Start pytest through a program, and return its output if a test fails, else nothing."""
    # These would make it an xdist worker of this run, or measure its coverage.
    ours = ("PYTEST_", "COV_", "COVERAGE_")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
    ended = subprocess.run(
        [
            *(sys.executable, "-c", program, "-m", "pytest", "-q", "-n", "0"),
            *("-p", "no:cacheprovider", *tests),
        ],
        cwd=_ROOT,
        env={**kept, **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        check=False,
    )
    return "" if ended.returncode == 0 else ended.stdout


@pytest.mark.parametrize("program", [_IGNORING, _BLOCKING], ids=["ignored", "blocked"])
def test_processes_of_the_tests_receive_signals_that_pytest_inherited_as_ignored_or_blocked(
    program: str,
) -> None:
    assert run_tests(program, {}, *_TESTS) == ""
