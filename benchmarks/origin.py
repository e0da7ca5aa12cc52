"""The origin of results: commit, machine, versions."""

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import attrs

from benchmarks.results import Origin
from benchmarks.settings import Settings
from tests.postgres_server import PostgresServer

_LIBRARIES: Final = (
    *("bottle", "waitress", "pg8000", "fastapi", "pydantic", "uvicorn", "uvloop", "asyncpg"),
    *("falcon", "msgspec", "granian", "psycopg"),
)
_GIB: Final = 1024**3


def describe(checkout: Path, settings: Settings, server: PostgresServer) -> Origin:
    """Describe the run that is about to start.

    Args:
        checkout: The measured checkout.
        settings: The size of the run.
        server: The PostgreSQL server.
    """
    ((postgres,),) = server.run("SHOW server_version")
    versions = {
        "PostgreSQL": str(postgres).partition(" ")[0],
        "Python": platform.python_version(),
        "wrk": _wrk_version(),
        **{library: version(library) for library in _LIBRARIES},
    }
    return Origin(
        commit=_commit(checkout),
        when=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        machine=_machine(),
        versions=versions,
        settings=attrs.asdict(settings),
    )


def _commit(checkout: Path) -> str:
    """Return the commit; outside a Git repository there is none."""
    describing = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=12"]
    told = subprocess.run(describing, capture_output=True, text=True, check=False)
    return told.stdout.strip() or "unknown"


def _wrk_version() -> str:
    told = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"^wrk (\S+)", told.stdout + told.stderr, re.MULTILINE)
    return found[1] if found else "unknown"


def _machine() -> dict[str, str]:
    processors = Path("/proc/cpuinfo").read_text("utf-8")
    model = re.search(r"^model name\s*: (.+)$", processors, re.MULTILINE)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / _GIB
    load, *_ = os.getloadavg()
    return {
        "Processor": model[1] if model else platform.machine(),
        "Cores": f"{len(os.sched_getaffinity(0))}, for servers, clients and PostgreSQL together",
        "Memory": f"{memory:.0f} GiB",
        "System": f"{platform.freedesktop_os_release()['PRETTY_NAME']}, Linux {platform.release()}",
        "Load before the run": f"{load:.2f}",
    }
