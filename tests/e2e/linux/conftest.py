"""Linux hosts, each with a booted systemd, an address and a root shell."""

import json
import os
import secrets
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

import pytest
from _pytest.mark.structures import ParameterSet
from attrs import frozen

from tests.debian_package import ROOT, alone, run

ORDERS: Final = "http://127.0.0.1:8000"
PROBES: Final = "http://127.0.0.1:9000"
CURL: Final = "curl --silent --show-error --fail --max-time 60"

_PORT: Final = 8000
_NETWORKED: Final = "/etc/systemd/system/orders.socket.d/listen.conf"


def _linux_host() -> Path:
    """Find the command that boots hosts, or skip: a skipped test fails in CI."""
    lab = os.environ.get("ORDERS_LAB", "")
    command = ROOT / lab / "linux-host"
    if os.geteuid() != 0 or not lab or not command.exists():
        pytest.skip("needs root, and linux-host in ORDERS_LAB: see tests/e2e/README.md")
    return command.resolve()


class _Client(HTTPConnection):
    """A client that sends additional headers with each request."""

    def __init__(self, host: str, port: int, headers: Mapping[str, str], timeout: float) -> None:
        super().__init__(host, port, timeout=timeout)
        self._headers = headers

    def endheaders(self, message_body: Any = None, *, encode_chunked: bool = False) -> None:  # noqa: ANN401 - as the base class
        """Add the headers to this request."""
        for name, value in self._headers.items():
            self.putheader(name, value)
        super().endheaders(message_body, encode_chunked=encode_chunked)


@frozen
class Host:
    """A running Debian host.

    Attributes:
        command: The command that manages hosts.
        name: The host's name.
        address: The host's address.
        token: The token for requests to its service; empty for none.
    """

    command: Path
    name: str
    address: str
    token: str = ""

    def run(self, script: str) -> str:
        """Run a shell script as root, and return its output."""
        ended = self.attempt(script)
        assert ended.returncode == 0, f"{script}\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout

    def attempt(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a shell script as root, and return its result, even if it fails."""
        return subprocess.run(
            (self.command, "ssh", self.name, "bash -euo pipefail -s"),
            input=f"export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8\n{script}\n",
            capture_output=True,
            text=True,
            check=False,
        )

    def put(self, file: Path, place: str) -> None:
        """Copy a file to the host."""
        with file.open("rb") as content:
            subprocess.run(
                (self.command, "ssh", self.name, f"mkdir -p {Path(place).parent}; cat >{place}"),
                stdin=content,
                check=True,
            )

    def install(self, package: Path) -> str:
        """Install a package with apt, and return the output."""
        self.put(package, f"~/{package.name}")
        return self.run(f"cd && apt-get install --yes --allow-downgrades ./{package.name} 2>&1")

    def reboot(self) -> None:
        """Reboot it."""
        run(self.command, "reboot", self.name)

    def kill(self) -> None:
        """Cut its power; its disk stays."""
        run(self.command, "kill", self.name)

    def boot(self) -> None:
        """Boot it after a power cut."""
        run(self.command, "up", self.name)

    def cut(self) -> None:
        """Take its network link down."""
        run(self.command, "cut", self.name)

    def mend(self) -> None:
        """Take its network link up again."""
        run(self.command, "mend", self.name)

    def listen_to_the_network(self) -> None:
        """Make the service listen on every address, as in the package's example."""
        self.put(ROOT / "debian/examples/listen.conf", _NETWORKED)
        self.run(
            "echo 'auth = \"trusted-network\"' >>/etc/orders/orders.toml\n"
            "systemctl daemon-reload && systemctl restart orders.socket orders.service"
        )

    def place(self, order_id: str) -> None:
        """Place an order of 12.30 on the host itself."""
        body = json.dumps({"id": order_id, "amount": "12.30"})
        header = "Content-Type: application/json"
        self.run(f"{self._curl} --header '{header}' --data '{body}' {ORDERS}/orders")

    def has(self, order_id: str) -> bool:
        """Return whether the order of 12.30 is stored."""
        answer = self.run(f"{self._curl} {ORDERS}/orders/{order_id}")
        return answer == f'{{"id":"{order_id}","amount":12.30}}'

    def connect(self, timeout: float = 30.0) -> HTTPConnection:
        """Return a client of the service; the caller closes it."""
        return _Client(self.address, _PORT, self._authorization, timeout)

    def errors(self) -> str:
        """Return the service's log."""
        return self.run("journalctl --unit orders --output cat --no-pager")

    @property
    def _authorization(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    @property
    def _curl(self) -> str:
        return CURL + "".join(
            f" --header '{name}: {value}'" for name, value in self._authorization.items()
        )


def boot(name: str, suite: str) -> Host:
    """Boot a host."""
    command = _linux_host()
    with alone(Path(tempfile.gettempdir()) / "orders-linux-hosts"):
        address = run(command, "up", name, suite).strip()
    return Host(command, name, address)


@contextmanager
def new_host(name: str, suite: str) -> Iterator[Host]:
    """Boot a new host, and remove it at the end."""
    host = boot(f"{name}-{secrets.token_hex(3)}", suite)
    try:
        yield host
    finally:
        run(host.command, "down", host.name)


def _each(suite: str) -> ParameterSet:
    # One worker process runs all tests on one host.
    return pytest.param(suite, marks=pytest.mark.xdist_group(suite))


@pytest.fixture(scope="session", params=[_each("bookworm"), _each("trixie")])
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """A new host, with up-to-date package lists."""
    with new_host("deb", request.param) as up:
        up.run("apt-get update --quiet=2")
        yield up


@pytest.fixture(scope="module")
def running(host: Host, package: Path) -> Iterator[Host]:
    """A host with the package, for tests that do not change it."""
    host.install(package)
    yield host
    purge(host)


@pytest.fixture
def installed(host: Host, package: Path) -> Iterator[Host]:
    """A host with the package, for tests that change it; the package is purged at the end."""
    host.install(package)
    yield host
    purge(host)


def purge(host: Host) -> None:
    """Purge the package, if installed, and remove the tests' files."""
    host.run(
        "rm -rf /etc/systemd/system/orders*.d /etc/orders/credentials\n"
        "echo orders orders/purge-data boolean true | debconf-set-selections\n"
        "dpkg --purge orders"
    )
