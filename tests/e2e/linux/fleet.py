"""Hosts that the playbooks install: two of the service, and one of its database."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from http.client import HTTPConnection
from itertools import cycle
from pathlib import Path
from typing import Final

from attrs import evolve, field, frozen

from tests.debian_package import ROOT, run
from tests.e2e.linux.conftest import Host, boot, new_host

# The two releases of Debian work together.
SUITES: Final = {"db1": "trixie", "app1": "bookworm", "app2": "trixie"}
CLIENT: Final = "/etc/orders/tls/client.pem"
# Of the clients; the servers have its hash alone.
TOKEN: Final = f"orders_{sha256(b'the tests').hexdigest()}"
SERVER: Final = "/etc/postgresql/orders-tls/server.pem"

_RECAP: Final = re.compile(
    r"^(\S+) +: ok=\d+ +changed=(\d+) +unreachable=(\d+) +failed=(\d+)", re.MULTILINE
)
_GROUPS: Final = {"postgres": ("db1",), "orders": ("app1", "app2"), "monitoring": ("db1",)}
# Of one host that is all of them.
ALONE: Final = "all1"


@frozen
class Played:
    """What a playbook did.

    Attributes:
        status: The exit status of ansible-playbook.
        output: What it printed.
    """

    status: int
    output: str

    @property
    def changed(self) -> Mapping[str, int]:
        """How many tasks changed something, by host."""
        return {host: int(changed) for host, changed, _, _ in _RECAP.findall(self.output)}


@frozen
class Fleet:
    """The hosts, and what the playbooks are told about them.

    Attributes:
        hosts: The hosts, as the inventory names them.
        folder: The folder of the inventory, and of the authority.
        package: What is installed when nothing else is said.
        groups: The hosts of each group.
    """

    hosts: Mapping[str, Host]
    folder: Path
    package: Path
    groups: Mapping[str, Sequence[str]] = _GROUPS
    _turn: Iterator[str] = field(factory=lambda: cycle(("app1", "app2")))

    @property
    def app1(self) -> Host:
        """A host of the service, on Debian 12."""
        return self.hosts["app1"]

    @property
    def app2(self) -> Host:
        """A host of the service, on Debian 13."""
        return self.hosts["app2"]

    @property
    def db1(self) -> Host:
        """The host of the database, on Debian 13."""
        return self.hosts["db1"]

    def write_inventory(self, **more: object) -> None:
        """Write the inventory: how the lab's hosts are reached, what they are, and what is more."""
        command = next(iter(self.hosts.values())).command
        lines = run(command, "inventory").splitlines()
        reached = dict(line.split(" ", 1) for line in lines if " " in line)
        parts = [f"{name} {reached[host.name]}" for name, host in self.hosts.items()]
        parts += [line for group, names in self.groups.items() for line in (f"[{group}]", *names)]
        settings: Mapping[str, object] = {
            "orders_listen": "0.0.0.0:8000",
            "orders_tokens": [f"shop read,write sha256:{sha256(TOKEN.encode()).hexdigest()}"],
            "orders_package": str(self.package),
            **more,
        }
        parts += ["[orders:vars]", *(f"{name}={value}" for name, value in settings.items())]
        (self.folder / "inventory").write_text("\n".join([*parts, ""]))

    def attempt(self, playbook: str, *arguments: str, **settings: object) -> Played:
        """Run a playbook, which may fail."""
        ended = subprocess.run(
            (
                *(Path(sys.executable).parent / "ansible-playbook", playbook),
                *("--inventory", self.folder / "inventory"),
                *("--extra-vars", json.dumps(settings), *arguments),
            ),
            cwd=ROOT / "ansible",
            env={**os.environ, "ANSIBLE_FORCE_COLOR": "0", "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            check=False,
        )
        return Played(ended.returncode, ended.stdout + ended.stderr)

    def play(self, playbook: str, *arguments: str, **settings: object) -> Played:
        """Run a playbook, which succeeds."""
        played = self.attempt(playbook, *arguments, **settings)
        assert played.status == 0, played.output[-8_000:]
        return played

    def sql(self, statement: str) -> Sequence[str]:
        """Run SQL in the database as its superuser, and give a line for each row."""
        command = "cd /; runuser --user postgres -- psql --no-psqlrc --tuples-only --no-align"
        printed = self.db1.run(f"{command} ordersdb <<'SQL'\n{statement}\nSQL")
        return printed.splitlines()

    def stored(self) -> Sequence[tuple[str, str]]:
        """Read the id and the amount of every order in the database."""
        rows = self.sql("COPY (SELECT id, amount FROM orders ORDER BY id) TO STDOUT")
        return [(row.split("\t")[0], row.split("\t")[1]) for row in rows]

    def serials(self) -> Mapping[str, str]:
        """Read the serial number of the certificate that each host shows."""
        serial = "openssl x509 -noout -serial"
        shown = f"openssl s_client -starttls postgres -connect {self.db1.address}:5432 </dev/null"
        printed = {
            name: self.hosts[name].run(f"{serial} -in {CLIENT}") for name in ("app1", "app2")
        } | {"db1": self.app1.run(f"{{ {shown} 2>/dev/null || true; }} | {serial}")}
        return {name: str(int(line.partition("=")[2], 16)) for name, line in printed.items()}

    def versions(self) -> set[str]:
        """Read which releases are installed."""
        return {host.run("orders --version").strip() for host in (self.app1, self.app2)}

    def connect(self, timeout: float = 30.0) -> HTTPConnection:
        """Make a client of one of the two hosts, in turn; the caller closes it."""
        return self.hosts[next(self._turn)].connect(timeout)

    def errors(self) -> str:
        """Read what the service has logged, on both hosts."""
        return self.app1.errors() + self.app2.errors()


@contextmanager
def new_fleet(folder: Path, package: Path) -> Iterator[Fleet]:
    """Boot the hosts, and remove them in the end. Nothing is installed.

    ORDERS_FLEET names a folder, for whoever writes tests: the hosts PREFIX-app1 and so on, PREFIX
    being its name, are there already or are made, and all of it stays.
    """
    kept = os.environ.get("ORDERS_FLEET", "")
    with ExitStack() as stack:
        if kept:
            folder = Path(kept)
            folder.mkdir(exist_ok=True)
            hosts = {name: boot(f"{folder.name}-{name}", SUITES[name]) for name in SUITES}
        else:
            hosts = {name: stack.enter_context(new_host(name, SUITES[name])) for name in SUITES}
        hosts = {name: evolve(host, token=TOKEN) for name, host in hosts.items()}
        fleet = Fleet(hosts, folder, package)
        fleet.write_inventory(orders_operations_listen="0.0.0.0:9000")
        yield fleet


@contextmanager
def new_single_host(folder: Path, package: Path) -> Iterator[Fleet]:
    """Boot one host that is in every group, and remove it in the end. Nothing is installed."""
    # What the fleet has on Debian 13, PostgreSQL and Prometheus, this one has on Debian 12.
    with new_host(ALONE, "bookworm") as host:
        groups = dict.fromkeys(_GROUPS, (ALONE,))
        yield Fleet({ALONE: evolve(host, token=TOKEN)}, folder, package, groups)
