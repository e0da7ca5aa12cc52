"""The Python that runs the service and the command under test.

It is the one that runs the tests, unless `SERVICE_PYTHON` names another, as `make pypy` does.
"""

import os
import sys
import sysconfig
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]

SERVICE_PYTHON: Final = os.environ.get("SERVICE_PYTHON", sys.executable)
"""The program."""

# Another Python than ours takes the packages that ours has: they are pure Python.
SERVICE_PATH: Final = os.pathsep.join(
    map(str, (ROOT, ROOT / "adapters", ROOT / "entrypoints", sysconfig.get_path("purelib")))
)
"""Where it finds what it imports: its `PYTHONPATH`."""
