"""How systemd starts a service: its user, folder, sockets and limits, from systemctl(1)."""

import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from attrs import frozen

from orders_service.configuration.parsers import Address

_BOOTED: Final = Path("/run/systemd/system")  # sd_booted(3)
_SECONDS: Final = 10.0
_SERVICE: Final = (
    "LoadState,User,WorkingDirectory,TriggeredBy,Environment,NeedDaemonReload,LimitNOFILE"
)
_SOCKET: Final = "Id,LoadState,ActiveState,NeedDaemonReload,FileDescriptorName,Listen"
_TABLES: Final = ("/proc/net/tcp", "/proc/net/tcp6")
_LISTENING: Final = "0A"
_WORD: Final = 8

_Properties = Mapping[str, Sequence[str]]


class UnknownUnit(Exception):
    """systemd cannot be asked about a unit; the message says why."""


@frozen
class UnitSocket:
    """A socket that systemd listens on for a service.

    Attributes:
        unit: The socket unit.
        name: Its name for the service, from `FileDescriptorName=`.
        endpoint: Its address, as systemd writes it: `127.0.0.1:8000`, `/run/orders.sock`.
        kind: Its type, as systemd writes it: `Stream`.
    """

    unit: str
    name: str
    endpoint: str
    kind: str

    @property
    def is_unix(self) -> bool:
        """Whether it is a Unix socket, which only this machine can reach."""
        return self.endpoint.startswith(("/", "@"))

    @property
    def is_served(self) -> bool:
        """Whether the service can accept clients from it."""
        return self.kind == "Stream" and not self.endpoint.startswith("vsock:")

    @property
    def address(self) -> Address | None:
        """The TCP address; None for any other socket."""
        host, _, port = self.endpoint.rpartition(":")
        if self.is_unix or not self.is_served:
            return None
        # A link-local address ends with its interface: [fe80::1]:8000%eth0.
        return Address(host.removeprefix("[").removesuffix("]"), int(port.partition("%")[0]))


@frozen
class ServiceUnit:
    """What systemd starts a service with.

    Attributes:
        name: The service unit.
        user: The user that it runs as; empty for root.
        folder: Its working directory; None if the unit sets none.
        files: How many files each process may open; None without a limit.
        variables: The names of the variables that the unit sets.
        sockets: The sockets that systemd passes to it.
        remarks: What the reader should know of the units, one sentence each.
    """

    name: str
    user: str
    folder: Path | None
    files: int | None
    variables: frozenset[str]
    sockets: Sequence[UnitSocket]
    remarks: Sequence[str]


def systemd_runs() -> bool:
    """Tell whether systemd has booted this machine or container."""
    return _BOOTED.is_dir()


def ask_systemd(name: str) -> ServiceUnit | None:
    """Ask what a service is started with; None if the unit does not exist.

    Raises:
        UnknownUnit: systemd is not running here, or does not answer this user.
    """
    if not systemd_runs():
        message = "systemd is not running here"
        raise UnknownUnit(message)
    (service,) = _shown([name], _SERVICE)
    if _one(service, "LoadState") != "loaded":
        return None
    triggers = [each for each in _one(service, "TriggeredBy").split() if each.endswith(".socket")]
    units = [each for each in _shown(triggers, _SOCKET) if _one(each, "LoadState") == "loaded"]
    folder = _one(service, "WorkingDirectory").removeprefix("!")
    files = _one(service, "LimitNOFILE")
    variables = shlex.split(_one(service, "Environment"))
    sockets = [each for unit in units for each in _sockets(unit)]
    stale = [name] if _one(service, "NeedDaemonReload") == "yes" else []
    stale += [_one(each, "Id") for each in units if _one(each, "NeedDaemonReload") == "yes"]
    remarks = [
        f"{unit} was changed on disk, but systemd has not loaded the change: run systemctl "
        "daemon-reload, then check again"
        for unit in stale
    ]
    remarks += [
        f"{_one(unit, 'Id')} does not listen on {each.endpoint} yet: run systemctl restart "
        f"{_one(unit, 'Id')} {name}"
        for unit in units
        if _one(unit, "ActiveState") == "active"
        for each in _sockets(unit)
        if each.address is not None and not _is_listened_on(each.address)
    ]
    return ServiceUnit(
        name,
        _one(service, "User"),
        Path(folder) if folder.startswith("/") else None,
        int(files) if files.isdecimal() else None,
        frozenset(each.partition("=")[0] for each in variables),
        sockets,
        remarks,
    )


def _shown(units: Sequence[str], properties: str) -> Sequence[_Properties]:
    """Read properties of units; each property may have several values.

    Raises:
        UnknownUnit: systemd does not answer.
    """
    systemctl = shutil.which("systemctl")
    if systemctl is None:
        message = "systemctl is not installed"
        raise UnknownUnit(message)
    if not units:
        return []
    command = (systemctl, "show", f"--property={properties}", "--", *units)
    try:
        ended = subprocess.run(  # noqa: S603 - systemctl, with names of units
            command, capture_output=True, text=True, timeout=_SECONDS, check=True
        )
    except subprocess.TimeoutExpired:
        message = f"systemd did not answer within {_SECONDS:.0f} s"
        raise UnknownUnit(message) from None
    except subprocess.CalledProcessError as error:
        message = f"systemctl failed: {error.stderr.strip()}"
        raise UnknownUnit(message) from None
    return [_properties(block) for block in ended.stdout.rstrip("\n").split("\n\n")]


def _properties(block: str) -> _Properties:
    found: dict[str, list[str]] = {}
    for line in block.splitlines():
        name, _, value = line.partition("=")
        found.setdefault(name, []).append(value)
    return found


def _one(properties: _Properties, name: str) -> str:
    return next(iter(properties.get(name, ())), "")


def _sockets(unit: _Properties) -> Iterator[UnitSocket]:
    """Read the sockets of a socket unit: `127.0.0.1:8000 (Stream)`."""
    for listened in unit.get("Listen", ()):
        endpoint, _, kind = listened.removesuffix(")").rpartition(" (")
        yield UnitSocket(_one(unit, "Id"), _one(unit, "FileDescriptorName"), endpoint, kind)


def _is_listened_on(address: Address) -> bool:
    """Tell whether any program listens there; yes where the system does not say."""
    tables = [table for table in map(Path, _TABLES) if table.exists()]
    endpoint = (address.host.partition("%")[0], address.port)
    return not tables or any(endpoint in _listened(table) for table in tables)


def _listened(table: Path) -> Iterator[tuple[str, int]]:
    for line in table.read_text().splitlines()[1:]:
        _, local, _, state, *_ = line.split()
        if state == _LISTENING:
            digits, _, port = local.partition(":")
            words = [digits[at : at + _WORD] for at in range(0, len(digits), _WORD)]
            # Each word is a number in the byte order of the machine.
            packed = b"".join(int(word, 16).to_bytes(4, sys.byteorder) for word in words)
            family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
            yield socket.inet_ntop(family, packed), int(port, 16)
