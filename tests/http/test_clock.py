"""Time limits do not depend on the machine's clock, which may be set at any time."""

import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from shlex import quote
from time import monotonic
from typing import Final

import pytest
from attrs import frozen

from tests.http.hostile_requests import HOST, get, head
from tests.http.wire import Wire, connected
from tests.service_process import RunningService, running_service
from tests.service_python import SERVICE_PYTHON

HOUR: Final = 3600.0
REPLIES: Final = 100
_SECONDS: Final = 60.0
# The server checks its connections about every second.
_CHECKED_SECONDS: Final = 3.0
_ROWS: Final = "\n".join(f"{'long-id-':x<120}{number},1" for number in range(1_000))

# Python runs it first, before any module has imported the clock.
_SET_CLOCK: Final = """
import os, time
true_time = time.time
number = os.open({file!r}, os.O_RDONLY)
time.time = lambda: true_time() + float(os.pread(number, 20, 0))
"""


@frozen
class ServiceWithClock:
    """A service, and the clock that it sees."""

    service: RunningService
    file: Path

    def set_clock(self, seconds: float) -> None:
        """Set the clock this many seconds before or after the true time."""
        with self.file.open("r+") as file:  # Never empty in between.
            file.write(f"{seconds:20.1f}")

    @contextmanager
    def reader(self) -> Iterator[socket.socket]:
        """Ask for many long lists, and read little of them."""
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            client.settimeout(_SECONDS)
            client.connect((self.service.host, self.service.port))
            client.sendall(get("/orders") * REPLIES)
            # The first list is on its way; peeking loses nothing of it.
            client.recv(1, socket.MSG_PEEK)
            yield client


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceWithClock]:
    """A service with 1,000 orders, whose clock a test can set."""
    folder = tmp_path_factory.mktemp("clock")
    file = folder / "seconds"
    file.write_text(f"{0.0:20.1f}")
    (folder / "sitecustomize.py").write_text(_SET_CLOCK.format(file=str(file)))
    python = folder / "python"
    found = f'PYTHONPATH="{folder}:$PYTHONPATH"'
    python.write_text(f'#!/bin/sh\n{found} exec {quote(SERVICE_PYTHON)} "$@"\n')
    python.chmod(0o755)
    with running_service(f"sqlite:///{folder}/orders.db", python=str(python)) as service:
        client = HTTPConnection(service.host, service.port, timeout=_SECONDS)
        with closing(client):
            client.request("POST", "/orders", f"id,amount\n{_ROWS}\n", {"Content-Type": "text/csv"})
            assert client.getresponse().status == 200
        yield ServiceWithClock(service, file)


@pytest.mark.parametrize("step", [-HOUR, HOUR])
def test_slow_clients_are_disconnected_whatever_the_clock_says(
    timed: ServiceWithClock, step: float
) -> None:
    timed.set_clock(0.0)
    with timed.reader() as client, connected(timed.service) as sender:
        sender.send(head("POST /orders HTTP/1.1", HOST, "Content-Length: 100"))
        timed.set_clock(step)
        poll = select.poll()
        poll.register(client, select.POLLHUP | select.POLLRDHUP)
        assert poll.poll(_SECONDS * 1000), "the service waits forever"
        assert sender.receive().status == 408


@pytest.mark.parametrize("step", [-HOUR, HOUR])
def test_no_client_is_cut_off_because_the_clock_was_set(
    timed: ServiceWithClock, step: float
) -> None:
    timed.set_clock(0.0)
    with ExitStack() as stack:
        idle = stack.enter_context(connected(timed.service))
        idle.send(get("/health"))
        assert idle.receive().status == 200
        client = stack.enter_context(timed.reader())
        timed.set_clock(step)
        until = monotonic() + _CHECKED_SECONDS
        taken = b""
        while monotonic() < until:
            taken += client.recv(64)
            with connected(timed.service) as another:
                another.send(get("/health"))
                assert another.receive().status == 200
        idle.send(get("/health"))
        assert idle.receive().status == 200
        reader = Wire(client, taken)
        assert {reader.receive().status for _ in range(REPLIES)} == {200}
