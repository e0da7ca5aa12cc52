"""PyPy, if it is installed, and the service running on it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import Final

import pytest

from tests.postgres_server import PostgresServer
from tests.service_process import RunningService, running_service

TELL: Final = "import sys; print(sys.implementation.name, *sys.version_info[:2])"


@pytest.fixture(scope="session")
def pypy() -> str:
    """The PyPy that the variable PYPY names, or the one on the PATH; Python 3.11 or newer."""
    name = os.environ.get("PYPY", "pypy3")
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed")
    ended = subprocess.run([program, "-c", TELL], capture_output=True, text=True, check=True)
    implementation, *version = ended.stdout.split()
    assert implementation == "pypy", f"{program} is {implementation}"
    if tuple(map(int, version)) < (3, 11):
        pytest.skip(f"{program} is Python {'.'.join(version)}, and the service needs 3.11")
    return program


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def service(
    request: pytest.FixtureRequest,
    pypy: str,
    postgres_server: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningService]:
    """The service on PyPy, which takes seconds to start, over a new database of each kind."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('pypy') / 'orders.db'}"
    else:
        url = postgres_server.url_text(postgres_server.new_database().name)
    with running_service(url, {"ORDERS_WORKERS": "2"}, python=pypy) as running:
        yield running
