"""`make bench` with the smallest sizes."""

import os
import subprocess
from pathlib import Path
from typing import Final

from benchmarks.bars import bars
from benchmarks.results import Load, Results

ROOT: Final = Path(__file__).parents[2]
SMALL: Final = (
    *("--rounds", "1", "--seconds", "1", "--warm-up-seconds", "0", "--connections", "4"),
    *("--stored", "2000", "--growth", "200,2000", "--growth-requests", "5"),
    *("--bulk", "1000", "--bulk-rounds", "1", "--starts", "1", "--idle-seconds", "0.1"),
)


def test_a_run_measures_every_server_without_an_error(tmp_path: Path) -> None:
    arguments = " ".join([*SMALL, "--output", str(tmp_path)])
    # The servers must not measure coverage. PyPy may or may not be installed, so none is used.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    ran = subprocess.run(
        ["make", "bench", "QUICK=1", f"ARGUMENTS={arguments}"],
        cwd=ROOT,
        env={**inherited, "PYPY": "absent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (file,) = tmp_path.glob("*.json")
    results = Results.read(file)
    assert results.errors == 0
    assert set(results.titles) == {"orders", "waitress", "fastapi", "falcon", "pgbench"}
    for server in results.titles:
        for load in Load:
            assert results.cell(server, load, 4) is not None, (server, load)
    assert {each.is_met is None for each in bars(results) if "import" in each.what} == {False}
    told = (tmp_path / "report.md").read_text("utf-8")
    assert "Not measured: Orders on PyPy: absent is not installed." in told
    assert (tmp_path / "plot.svg").read_text("utf-8").startswith("<?xml")
