"""The compared servers, each started as its documentation recommends for production."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from time import monotonic, sleep
from typing import IO, Final
from urllib.parse import urlencode

from attrs import define, field, frozen

from benchmarks.answers import client
from benchmarks.database import environment, url
from benchmarks.processes import family
from benchmarks.settings import FOLDER
from orders_core import OrderId
from orders_http.api.cursors import cursor_of_id
from tests.postgres_server import HOST, OrdersDatabase, free_port

_PEERS: Final = FOLDER / "peers"
# Threads per Falcon worker, and thereby its connections to PostgreSQL.
_FALCON_THREADS: Final = 8
_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 15.0
_POLL_SECONDS: Final = 0.001
_PRINT_VERSIONS: Final = """
import platform, sys
print(platform.python_version(), ".".join(map(str, sys.pypy_version_info[:3])))
"""


class Broken(Exception):
    """A server did not start, or ended too early."""


@frozen
class Kind:
    """One of the compared servers.

    Attributes:
        name: The name in flags and files.
        title: The name in tables.
        command: Builds the command for a port and a number of workers.
        variables: Builds its environment variables for a port and a number of workers.
        list_path: Builds the path of the list of 100 orders after an id.
        keeps_totals: Whether its page shows totals, so that its table needs the triggers.
    """

    name: str
    title: str
    command: Callable[[int, int], Sequence[str | Path]]
    variables: Callable[[int, int], Mapping[str, str]]
    list_path: Callable[[str], str]
    keeps_totals: bool = True


def _program(name: str) -> Path:
    """Return a program of the virtual environment that runs the benchmarks."""
    return Path(sys.executable).parent / name


def _orders_list(after: str) -> str:
    return f"/orders?{urlencode({'limit': 100, 'after': cursor_of_id(OrderId(after))})}"


def _plain_list(after: str) -> str:
    return f"/orders?{urlencode({'limit': 100, 'after': after})}"


def _no_variables(_port: int, _workers: int) -> Mapping[str, str]:
    return {}


def orders(name: str, title: str, program: Path) -> Kind:
    """Describe this service, run by the command `orders` of a virtual environment."""

    def variables(port: int, workers: int) -> Mapping[str, str]:
        return {
            "ORDERS_LISTEN": f"{HOST}:{port}",
            "ORDERS_OPS_LISTEN": f"{HOST}:0",
            "ORDERS_WORKERS": str(workers),
        }

    return Kind(name, title, lambda _port, _workers: [program, "serve"], variables, _orders_list)


ORDERS: Final = "orders"
ORDERS_PYPY: Final = "orders-pypy"
WAITRESS: Final = "waitress"
FASTAPI: Final = "fastapi"
FALCON: Final = "falcon"


def kinds(pypy: Path | None) -> Sequence[Kind]:
    """List the servers in the order of the tables.

    Args:
        pypy: PyPy's virtual environment with this service, if there is one.
    """

    def waitress(port: int, _workers: int) -> Sequence[str | Path]:
        return [sys.executable, _PEERS / "waitress_orders.py", str(port)]

    def fastapi(port: int, workers: int) -> Sequence[str | Path]:
        return [
            *(_program("uvicorn"), "fastapi_orders:app", "--app-dir", _PEERS),
            *("--host", HOST, "--port", str(port), "--workers", str(workers)),
            *("--loop", "uvloop", "--http", "httptools"),
            *("--no-access-log", "--log-level", "warning"),
        ]

    def falcon(port: int, workers: int) -> Sequence[str | Path]:
        return [
            *(_program("granian"), "--interface", "wsgi", "--working-dir", _PEERS),
            *("--host", HOST, "--port", str(port), "--workers", str(workers)),
            *("--log-level", "warning", "falcon_orders:app"),
        ]

    def falcon_variables(_port: int, _workers: int) -> Mapping[str, str]:
        return {"GRANIAN_BLOCKING_THREADS": str(_FALCON_THREADS)}

    ours = [orders(ORDERS, "Orders", _program("orders"))]
    if pypy is not None:
        ours.append(orders(ORDERS_PYPY, "Orders on PyPy", pypy / "bin/orders"))
    return [
        *ours,
        Kind(WAITRESS, "the same app, plain Waitress", waitress, _no_variables, _orders_list),
        Kind(
            FASTAPI,
            "FastAPI, uvicorn, asyncpg",
            fastapi,
            _no_variables,
            _plain_list,
            keeps_totals=False,
        ),
        Kind(
            FALCON,
            "Falcon, granian, psycopg",
            falcon,
            falcon_variables,
            _plain_list,
            keeps_totals=False,
        ),
    ]


def _peer(
    name: str,
    title: str,
    command: Callable[[int, int], Sequence[str | Path]],
    variables: Callable[[int, int], Mapping[str, str]],
) -> Kind:
    return Kind(name, title, command, variables, _plain_list, keeps_totals=False)


def pypy_environment(checkout: Path, folder: Path) -> tuple[Path | None, str]:
    """Install this service for PyPy, if a suitable PyPy exists.

    The interpreter is the one named by the variable PYPY, or else `pypy3` on the PATH.

    Args:
        checkout: The checkout to install.
        folder: The folder for the virtual environment.

    Returns:
        The environment and the interpreter's version, or None and the reason.

    Raises:
        subprocess.CalledProcessError: The installation failed.
    """
    named = os.environ.get("PYPY", "pypy3")
    interpreter = shutil.which(named)
    if interpreter is None:
        return None, f"{named} is not installed"
    asked = subprocess.run(
        [interpreter, "-c", _PRINT_VERSIONS], capture_output=True, text=True, check=False
    )
    if asked.returncode != 0:
        return None, f"{interpreter} is not PyPy: {asked.stderr.strip().rpartition(chr(10))[2]}"
    python, release = asked.stdout.split()
    if tuple(map(int, python.split(".")[:2])) < (3, 11):
        return None, f"{interpreter} implements Python {python}; the service needs 3.11"
    environment_folder = folder / f"pypy-{release}"
    if not environment_folder.exists():
        # On Debian, PyPy's pip is in another package. Our own pip can install into any environment.
        making = [interpreter, "-m", "venv", "--without-pip", str(environment_folder)]
        subprocess.run(making, check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(environment_folder / "bin/python")]
    subprocess.run([*pip, "install", "--quiet", f"{checkout}[service]"], check=True)
    return environment_folder, f"PyPy {release} (Python {python})"


@define
class Server:
    """A server with its own database. `running` starts one."""

    kind: Kind
    database: OrdersDatabase
    workers: int
    log: IO[bytes]
    port: int = field(init=False, factory=free_port)
    _process: subprocess.Popen[bytes] | None = field(init=False, default=None)

    @property
    def pid(self) -> int:
        """The id of its main process."""
        return self._running().pid

    @property
    def url(self) -> str:
        """Its root URL, without a trailing slash."""
        return f"http://{HOST}:{self.port}"

    def start(self) -> float:
        """Start it, wait until it answers, and return the seconds that this took.

        Raises:
            Broken: It does not answer.
        """
        started = monotonic()
        self._process = subprocess.Popen(
            [*self.kind.command(self.port, self.workers)],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            cwd=self.database.server.folder,
            env={
                **environment(self.database),
                **self.kind.variables(self.port, self.workers),
                "DATABASE_URL": url(self.database),
            },
        )
        while not self._answers():
            if monotonic() > started + _START_SECONDS or self._process.poll() is not None:
                message = f"{self.kind.title} did not start:\n{self.output()}"
                raise Broken(message)
            sleep(_POLL_SECONDS)
        return monotonic() - started

    def stop(self) -> None:
        """Stop it as a service manager would."""
        process = self._running()
        members = family(process.pid)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            for member in members:
                with suppress(ProcessLookupError):
                    os.kill(member, signal.SIGKILL)
            process.wait()
        self._process = None

    def is_running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._process is not None

    def output(self) -> str:
        """Return its output so far."""
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def _answers(self) -> bool:
        try:
            with client(self.port) as asking:
                return asking.ask("GET", "/health").status == HTTPStatus.OK
        except (HTTPException, OSError):
            return False

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            message = f"{self.kind.title} is not running"
            raise Broken(message)
        return self._process


@contextmanager
def running(kind: Kind, database: OrdersDatabase, workers: int) -> Iterator[Server]:
    """Run a server during the block.

    Raises:
        Broken: It does not start.
    """
    # Opened for appending, because every start and the reader share the file position.
    with tempfile.TemporaryFile("a+b") as log:
        server = Server(kind, database, workers, log)
        try:
            server.start()
            yield server
        finally:
            if server.is_running():
                server.stop()
