"""The service as people run it: `orders serve` in separate processes, on free ports."""

import json
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread
from typing import IO, Final
from urllib.parse import urlsplit

from attrs import define, field

from orders_http.server.server import Server
from tests.postgres_server import wait_until
from tests.service_python import SERVICE_PATH, SERVICE_PYTHON

_COMMAND: Final = ("-c", "from orders_cli.main import run; run()", "serve")
_OURS: Final = ("ORDERS_", "DATABASE_")
_STOP_SECONDS: Final = 40.0


def _new_log() -> IO[bytes]:
    # Opened to append: several processes write to it.
    return tempfile.TemporaryFile("a+b")


@define
class RunningService:
    """A running service. `running_service` makes one.

    Attributes:
        database_url: The URL of its database.
        settings: Further environment variables of the service.
        listener: A socket that the service inherits, as from systemd, instead of opening one.
        python: The Python that runs it.
        host: The host of the orders and the page.
        port: The port of the orders and the page.
        operations_port: The port of the probes and the metrics, on the same host.
    """

    database_url: str
    settings: Mapping[str, str] = field(factory=dict)
    listener: socket.socket | None = None
    python: str = SERVICE_PYTHON
    host: str = field(init=False, default="")
    port: int = field(init=False, default=0)
    operations_port: int = field(init=False, default=0)
    _process: subprocess.Popen[str] | None = field(init=False, default=None)
    _errors: IO[bytes] = field(init=False, factory=_new_log)

    @property
    def url(self) -> str:
        """The root of the orders and the page, without a slash at its end."""
        return f"http://{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        """The id of the parent process."""
        return self._running().pid

    @property
    def children(self) -> Mapping[str, int]:
        """The ids of its child processes by their names: `worker-0`, `operations`."""
        pids = (
            Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="utf-8").split()
        )
        found = {}
        for pid in pids:
            # One of them may have ended since they were listed.
            with suppress(FileNotFoundError, ProcessLookupError):
                found[Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()] = int(pid)
        return found

    def start(self, **ports: int) -> None:
        """Start, and return when it listens.

        Args:
            ports: `port` and `operations_port`, when they must be these; free ones otherwise.
        """
        environment = {
            **{name: os.environ[name] for name in os.environ if not name.startswith(_OURS)},
            **self.settings,
            "DATABASE_URL": self.database_url,
            "PYTHONPATH": SERVICE_PATH,
        }
        inheriting: tuple[str, ...] = ()
        inherited: tuple[int, ...] = ()
        if self.listener is not None:
            inherited = (self.listener.fileno(),)
            # The variable must hold the id of the process that reads it; exec keeps the id.
            program = f'export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@" 3<&{inherited[0]}'
            inheriting = ("bash", "-c", program, "bash")
        said = len(self._said())
        self._process = subprocess.Popen(
            [
                *inheriting,
                *(self.python, *_COMMAND),
                *("--listen", f"127.0.0.1:{ports.get('port', 0)}"),
                *("--ops-listen", f"127.0.0.1:{ports.get('operations_port', 0)}"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment,
            pass_fds=inherited,
            start_new_session=True,
        )
        process = self._process
        wait_until(lambda: len(self._said()) > said or process.poll() is not None)
        assert len(self._said()) > said, self.errors()
        where = json.loads(self._said()[-1])
        orders, operations = (urlsplit(where[name]) for name in ("orders", "operations"))
        # A Unix socket has only a path.
        self.host, self.port = orders.hostname or orders.path, orders.port or 0
        assert operations.port is not None
        self.operations_port = operations.port

    def errors(self) -> str:
        """Read what it wrote to standard error: its logs, and any traceback."""
        number = self._errors.fileno()
        # With a separate offset: the writers share theirs.
        return os.pread(number, os.fstat(number).st_size, 0).decode()

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._running().send_signal(number)

    def wait(self) -> int:
        """Wait for its end, and return its exit status."""
        process = self._running()
        status = process.wait(_STOP_SECONDS)
        assert process.stdout is not None
        process.stdout.close()
        self._process = None
        return status

    def stop(self) -> None:
        """Stop it as a service manager does, and prove that it ended with status 0."""
        self.send_signal(signal.SIGTERM)
        status = self.wait()
        errors = self.errors()
        assert status == 0, errors
        assert "Traceback" not in errors, errors

    def kill(self) -> None:
        """Kill all its processes, as a power cut would."""
        process = self._running()
        os.killpg(process.pid, signal.SIGKILL)
        assert process.stdout is not None
        # Its output ends with the last of them, which then has released the ports.
        process.stdout.read()
        self.wait()

    def kill_child(self, name: str) -> None:
        """Kill one of its child processes, and wait until it is replaced."""
        pid = self.children[name]
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: self.children.get(name, pid) != pid)

    def is_running(self) -> bool:
        """Tell whether it was started and has not ended."""
        return self._process is not None

    def connect(self, timeout: float = 30.0) -> HTTPConnection:
        """Make a client of the orders and the page; the caller closes it."""
        return HTTPConnection(self.host, self.port, timeout=timeout)

    def connect_operations(self) -> HTTPConnection:
        """Make a client of the probes and the metrics; the caller closes it."""
        return HTTPConnection(self.host, self.operations_port, timeout=30)

    def close(self) -> None:
        """Discard what it wrote."""
        self._errors.close()

    def _said(self) -> list[str]:
        """Read the log lines with its addresses, one for each start."""
        return [line for line in self.errors().splitlines() if '"message": "serving"' in line]

    def _running(self) -> subprocess.Popen[str]:
        assert self._process is not None, "it is not running"
        return self._process


@contextmanager
def running_service(
    database_url: str,
    settings: Mapping[str, str] | None = None,
    listener: socket.socket | None = None,
    python: str = SERVICE_PYTHON,
    **ports: int,
) -> Iterator[RunningService]:
    """Run a service, and stop it at the end.

    Args:
        database_url: Where it keeps its orders, such as `sqlite:///FILE`.
        settings: Further environment variables of the service.
        listener: A socket that it inherits instead of opening one.
        python: What runs it.
        ports: As of `RunningService.start`.
    """
    service = RunningService(database_url, settings or {}, listener, python)
    try:
        service.start(**ports)
        yield service
        if service.is_running():
            service.stop()
    finally:
        if service.is_running():
            service.kill()
        service.close()


@contextmanager
def served(server: Server) -> Iterator[int]:
    """Run a server on a thread of this process; return its port, and stop it at the end."""
    thread = Thread(target=server.run)
    thread.start()
    try:
        yield int(server.address.rpartition(":")[2])
    finally:
        server.stop()
        thread.join()
