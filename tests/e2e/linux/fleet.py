"""Hosts for the playbooks: two for the service, and one for its database."""

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

# Mix both Debian releases, which must work together.
SUITES: Final = {"db1": "trixie", "app1": "bookworm", "app2": "trixie"}
CLIENT: Final = "/etc/orders/tls/client.pem"
# The clients' token. The hosts have only its hash.
TOKEN: Final = f"orders_{sha256(b'the tests').hexdigest()}"
SERVER: Final = "/etc/postgresql/orders-tls/server.pem"

_RECAP: Final = re.compile(
    r"^(\S+) +: ok=\d+ +changed=(\d+) +unreachable=(\d+) +failed=(\d+)", re.MULTILINE
)
_GROUPS: Final = {"postgres": ("db1",), "orders": ("app1", "app2"), "monitoring": ("db1",)}
# The name of a single host in all groups.
ALONE: Final = "all1"


@frozen
class Played:
    """The result of a playbook run.

    Attributes:
        status: The exit status of ansible-playbook.
        output: What it printed.
    """

    status: int
    output: str

    @property
    def changed(self) -> Mapping[str, int]:
        """The number of tasks that changed something, by host."""
        return {host: int(changed) for host, changed, _, _ in _RECAP.findall(self.output)}


@frozen
class Fleet:
    """Hosts and their inventory.

    Attributes:
        hosts: The hosts, by their inventory names.
        folder: The folder of the inventory and of the CA.
        package: The package to install by default.
        groups: The hosts of each group.
    """

    hosts: Mapping[str, Host]
    folder: Path
    package: Path
    groups: Mapping[str, Sequence[str]] = _GROUPS
    _turn: Iterator[str] = field(factory=lambda: cycle(("app1", "app2")))

    @property
    def app1(self) -> Host:
        """A service host with Debian 12."""
        return self.hosts["app1"]

    @property
    def app2(self) -> Host:
        """A service host with Debian 13."""
        return self.hosts["app2"]

    @property
    def db1(self) -> Host:
        """The database host, with Debian 13."""
        return self.hosts["db1"]

    def write_inventory(self, **more: object) -> None:
        """Write the inventory: the hosts' addresses, the groups, and settings of the service."""
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
        """Run a playbook, and return its result, even if it fails."""
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
        """Run a playbook, which must succeed."""
        played = self.attempt(playbook, *arguments, **settings)
        assert played.status == 0, played.output[-8_000:]
        return played

    def sql(self, statement: str) -> Sequence[str]:
        """Run SQL as the database's superuser, and return a line for each row."""
        command = "cd /; runuser --user postgres -- psql --no-psqlrc --tuples-only --no-align"
        printed = self.db1.run(f"{command} ordersdb <<'SQL'\n{statement}\nSQL")
        return printed.splitlines()

    def stored(self) -> Sequence[tuple[str, str]]:
        """Return the id and the amount of every stored order."""
        rows = self.sql("COPY (SELECT id, amount FROM orders ORDER BY id) TO STDOUT")
        return [(row.split("\t")[0], row.split("\t")[1]) for row in rows]

    def serials(self) -> Mapping[str, str]:
        """Return the serial number of the certificate that each host presents."""
        serial = "openssl x509 -noout -serial"
        shown = f"openssl s_client -starttls postgres -connect {self.db1.address}:5432 </dev/null"
        printed = {
            name: self.hosts[name].run(f"{serial} -in {CLIENT}") for name in ("app1", "app2")
        } | {"db1": self.app1.run(f"{{ {shown} 2>/dev/null || true; }} | {serial}")}
        return {name: str(int(line.partition("=")[2], 16)) for name, line in printed.items()}

    def versions(self) -> set[str]:
        """Return the installed versions."""
        return {host.run("orders --version").strip() for host in (self.app1, self.app2)}

    def connect(self, timeout: float = 30.0) -> HTTPConnection:
        """Return a client of one of the two hosts, in turn; the caller closes it."""
        return self.hosts[next(self._turn)].connect(timeout)

    def errors(self) -> str:
        """Return the service's logs on both hosts."""
        return self.app1.errors() + self.app2.errors()


@contextmanager
def new_fleet(folder: Path, package: Path) -> Iterator[Fleet]:
    """Boot the hosts, and remove them at the end. Nothing is installed.

    To keep the hosts while you write tests, let ORDERS_FLEET name a folder. Hosts called
    PREFIX-app1 and so on, where PREFIX is the folder's name, are then reused or created, and are
    not removed.
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
    """Boot one host in every group, and remove it at the end. Nothing is installed."""
    # The fleet runs PostgreSQL and Prometheus on Debian 13, so this host has Debian 12.
    with new_host(ALONE, "bookworm") as host:
        groups = dict.fromkeys(_GROUPS, (ALONE,))
        yield Fleet({ALONE: evolve(host, token=TOKEN)}, folder, package, groups)
