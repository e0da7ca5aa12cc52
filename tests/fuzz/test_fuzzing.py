"""Each target holds for inputs that are mutated until they reach new code.

The gate runs a short form, the same each time. `make soak` sets `FUZZ_RUNS` to 10 million, and a
new `FUZZ_SEED`.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.fuzz.targets import TARGETS

_ROOT: Final = Path(__file__).parents[2]
_ROOTS: Final = (_ROOT, _ROOT / "adapters", _ROOT / "entrypoints")
_RUNS: Final = int(os.environ.get("FUZZ_RUNS", "60000"))
_SEED: Final = os.environ.get("FUZZ_SEED", "1")
_DONE: Final = re.compile(r"^Done (?P<runs>[0-9]+) in (?P<seconds>[0-9]+) second", re.MULTILINE)


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_breaks_the_promise_of_a_target(name: str, tmp_path: Path) -> None:
    runs = _RUNS * TARGETS[name].share // 100
    # Measured by Atheris, not for the coverage of the tests: that would be slow.
    kept = {each: text for each, text in os.environ.items() if not each.startswith("COV")}
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "tests.fuzz", name),
            *("--runs", str(runs), "--seed", _SEED, "--findings", tmp_path),
        ],
        cwd=_ROOT,
        env={**kept, "PYTHONPATH": os.pathsep.join(map(str, _ROOTS))},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    done = _DONE.search(ended.stdout)
    assert ended.returncode == 0, f"FUZZ_SEED={_SEED}: {ended.stdout[-10_000:]}"
    assert done is not None, ended.stdout[-10_000:]
    assert int(done["runs"]) == runs
    print(f"{name}: {done['runs']} executions in {done['seconds']} s, 0 findings")  # noqa: T201
