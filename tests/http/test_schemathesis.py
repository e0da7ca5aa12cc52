"""Schemathesis: thousands of requests generated from the description, with every check on."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from hypothesis import settings

from tests.service_process import RunningService
from tests.service_python import ROOT

FOLDER: Final = Path(__file__).parent


def test_the_service_conforms_to_its_description(
    service: RunningService,
    tmp_path: Path,
) -> None:
    # Half as many as other properties have: each is a request, for each of 19 operations.
    assert settings.default is not None
    examples = settings.default.max_examples // 2
    command: list[str | Path] = [
        *(sys.executable, "-m", "schemathesis.cli"),
        *("--config-file", FOLDER / "schemathesis.toml", "run", f"{service.url}/openapi.json"),
        *("--checks", "all", "--max-examples", str(examples), "--continue-on-failure"),
    ]
    roots = os.pathsep.join(map(str, (ROOT, ROOT / "adapters", ROOT / "entrypoints")))
    finished = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        # It keeps what it found in its working directory.
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": roots},
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert service.is_running()
