"""The servers that are compared: how each is started, as its documentation tells for production."""

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
# Falcon's threads of each worker, and so its connections to PostgreSQL.
_FALCON_THREADS: Final = 8
_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 15.0
_POLL_SECONDS: Final = 0.001
_TELL_VERSIONS: Final = """
import platform, sys
print(platform.python_version(), ".".join(map(str, sys.pypy_version_info[:3])))
"""


class Broken(Exception):
    """A server does not start, or has ended too early."""


@frozen
class Kind:
    """One of the servers to compare.

    Attributes:
        name: What flags and files call it.
        title: What tables call it.
        command: Gives the command, for a port and a number of workers.
        variables: Gives what it needs in its environment, likewise.
        list_path: Gives the path of the list of 100 behind an id.
        keeps_totals: Whether its page shows the totals, so that its table must keep them.
    """

    name: str
    title: str
    command: Callable[[int, int], Sequence[str | Path]]
    variables: Callable[[int, int], Mapping[str, str]]
    list_path: Callable[[str], str]
    keeps_totals: bool = True


def _program(name: str) -> Path:
    """Find a program of the environment that runs the benchmarks."""
    return Path(sys.executable).parent / name


def _orders_list(after: str) -> str:
    return f"/orders?{urlencode({'limit': 100, 'after': cursor_of_id(OrderId(after))})}"


def _plain_list(after: str) -> str:
    return f"/orders?{urlencode({'limit': 100, 'after': after})}"


def _no_variables(_port: int, _workers: int) -> Mapping[str, str]:
    return {}


def orders(name: str, title: str, program: Path) -> Kind:
    """Describe this service, as the command `orders` of some environment."""

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
    """List the servers, in the order of the tables.

    Args:
        pypy: The environment in which PyPy runs this service, if there is one.
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
    """Install this service for PyPy, if there is one that can run it.

    The interpreter is the one that the variable PYPY names, else `pypy3` on the PATH.

    Args:
        checkout: What to install.
        folder: Where the environment is made.

    Returns:
        The environment, or None; and the interpreter's version, or why there is none.

    Raises:
        subprocess.CalledProcessError: It cannot be installed.
    """
    named = os.environ.get("PYPY", "pypy3")
    interpreter = shutil.which(named)
    if interpreter is None:
        return None, f"{named} is not installed"
    asked = subprocess.run(
        [interpreter, "-c", _TELL_VERSIONS], capture_output=True, text=True, check=False
    )
    if asked.returncode != 0:
        return None, f"{interpreter} is not PyPy: {asked.stderr.strip().rpartition(chr(10))[2]}"
    python, release = asked.stdout.split()
    if tuple(map(int, python.split(".")[:2])) < (3, 11):
        return None, f"{interpreter} is of Python {python}; the service needs 3.11"
    environment_folder = folder / f"pypy-{release}"
    if not environment_folder.exists():
        # Debian has PyPy's own pip in another package, and ours can install into any environment.
        making = [interpreter, "-m", "venv", "--without-pip", str(environment_folder)]
        subprocess.run(making, check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(environment_folder / "bin/python")]
    subprocess.run([*pip, "install", "--quiet", f"{checkout}[service]"], check=True)
    return environment_folder, f"PyPy {release} (Python {python})"


@define
class Server:
    """A server of some kind over a database of its own. `running` starts one."""

    kind: Kind
    database: OrdersDatabase
    workers: int
    log: IO[bytes]
    port: int = field(init=False, factory=free_port)
    _process: subprocess.Popen[bytes] | None = field(init=False, default=None)

    @property
    def pid(self) -> int:
        """The id of its first process."""
        return self._running().pid

    @property
    def url(self) -> str:
        """Its root, without a slash at its end."""
        return f"http://{HOST}:{self.port}"

    def start(self) -> float:
        """Start, and return when it answers: after how many seconds.

        Raises:
            Broken: It does not.
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
                message = f"{self.kind.title} does not start:\n{self.told()}"
                raise Broken(message)
            sleep(_POLL_SECONDS)
        return monotonic() - started

    def stop(self) -> None:
        """Stop it as a service manager does."""
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
        """Tell whether it was started and not stopped."""
        return self._process is not None

    def told(self) -> str:
        """Read what it wrote until now."""
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
    """Run a server, and stop it in the end.

    Raises:
        Broken: It does not start.
    """
    # Opened to append: each start, and the reader, share the place in it.
    with tempfile.TemporaryFile("a+b") as log:
        server = Server(kind, database, workers, log)
        try:
            server.start()
            yield server
        finally:
            if server.is_running():
                server.stop()
