"""What systemd is told, and what it passes."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orders_service.systemd import Notifier, inherited_sockets
from tests.service_python import SERVICE_PATH, SERVICE_PYTHON
from tests.short_folders import short_folder


@pytest.fixture
def manager() -> Iterator[socket.socket]:
    """A service manager that listens."""
    with short_folder() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(folder / "notify"))
        listening.settimeout(10)
        yield listening


def test_without_a_manager_nothing_is_sent() -> None:
    notifier = Notifier.from_environment({}, 1)
    assert notifier == Notifier()
    notifier.tell("READY=1")
    notifier.tell_watchdog()


def test_a_manager_gets_one_message(manager: socket.socket) -> None:
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": manager.getsockname()}, 1)
    notifier.tell("READY=1", "STATUS=well")
    assert manager.recv(100) == b"READY=1\nSTATUS=well"


def test_a_manager_with_an_abstract_address_gets_the_message() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        name = f"orders-test-{os.getpid()}"
        manager.bind(f"\0{name}")
        manager.settimeout(10)
        Notifier(f"@{name}").tell("STOPPING=1")
        assert manager.recv(100) == b"STOPPING=1"


@pytest.mark.parametrize(
    ("environ", "heard"),
    [
        ({"WATCHDOG_USEC": "30000000"}, True),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, True),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, False),
        ({"WATCHDOG_USEC": "soon"}, False),
        ({}, False),
    ],
)
def test_only_the_process_that_the_watchdog_names_feeds_it(
    manager: socket.socket,
    environ: dict[str, str],
    heard: bool,  # noqa: FBT001 - a parameter of the table
) -> None:
    notifier = Notifier.from_environment({**environ, "NOTIFY_SOCKET": manager.getsockname()}, 7)
    notifier.tell_watchdog()
    notifier.tell("READY=1")
    told = [manager.recv(100) for _ in range(2 if heard else 1)]
    assert told == [*([b"WATCHDOG=1"] if heard else []), b"READY=1"]


def test_an_unreachable_manager_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Notifier(str(tmp_path / "nobody")).tell("READY=1")
    assert "the service manager cannot be reached" in caplog.text


INHERITING = """
import json, os, sys
from orders_service.systemd import inherited_sockets
environ = dict(os.environ, LISTEN_PID=os.environ.get("LISTEN_PID") or str(os.getpid()))
found = inherited_sockets(environ, os.getpid())
print(json.dumps({name: [each.getsockname() for each in found[name]] for name in found}))
assert not any(os.get_inheritable(each.fileno()) for name in found for each in found[name])
"""


def inherited(sockets: list[socket.socket], **environ: str) -> dict[str, list[list[object]]]:
    """Start a process as systemd does, with sockets from descriptor 3 on; return what it found."""
    moves = "; ".join(f"exec {3 + i}<&{each.fileno()}" for i, each in enumerate(sockets)) or ":"
    for each in sockets:
        os.set_inheritable(each.fileno(), True)  # noqa: FBT003 - its only form
    found = subprocess.run(
        ["bash", "-c", f'{moves}; exec "$@"', "bash", SERVICE_PYTHON, "-c", INHERITING],
        env={**os.environ, "PYTHONPATH": SERVICE_PATH, **environ},
        close_fds=False,
        check=True,
        capture_output=True,
        text=True,
    )
    return dict(json.loads(found.stdout))


def high(listener: socket.socket) -> socket.socket:
    """Move a socket to a high descriptor."""
    descriptor = 20 + listener.fileno()
    os.dup2(listener.fileno(), descriptor)
    return socket.socket(fileno=descriptor)


def test_sockets_are_received_by_their_names() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
        socket.create_server(("127.0.0.1", 0)) as three,
        high(one) as first,
        high(two) as second,
        high(three) as third,
    ):
        found = inherited([first, second, third], LISTEN_FDS="3", LISTEN_FDNAMES="http:ops:http")
        assert found == {
            "http": [list(one.getsockname()), list(three.getsockname())],
            "ops": [list(two.getsockname())],
        }


def test_sockets_without_names_are_unknown() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, high(one) as first:
        assert inherited([first], LISTEN_FDS="1") == {"unknown": [list(one.getsockname())]}


@pytest.mark.parametrize(
    "environ",
    [{}, {"LISTEN_FDS": "1", "LISTEN_PID": "8"}, {"LISTEN_FDS": "x", "LISTEN_PID": "7"}],
)
def test_sockets_meant_for_another_process_are_ignored(environ: dict[str, str]) -> None:
    assert inherited_sockets(environ, 7) == {}
