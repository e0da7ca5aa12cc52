"""Time limits when the clock of the machine is set: they go on as if nothing had happened."""

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
# The server looks after its connections about every second.
_LOOKED_SECONDS: Final = 3.0
_ROWS: Final = "\n".join(f"{'long-id-':x<120}{number},1" for number in range(1_000))

# Python runs it before anything else, and no module has taken the clock before.
_SET_CLOCK: Final = """
import os, time
true_time = time.time
number = os.open({file!r}, os.O_RDONLY)
time.time = lambda: true_time() + float(os.pread(number, 20, 0))
"""


@frozen
class ServiceWithClock:
    """A service, and the clock of its machine as it sees it."""

    service: RunningService
    file: Path

    def set_clock(self, seconds: float) -> None:
        """Set its clock so many seconds before or after the true time."""
        with self.file.open("r+") as file:  # Not empty in between.
            file.write(f"{seconds:20.1f}")

    @contextmanager
    def reader(self) -> Iterator[socket.socket]:
        """Ask for a long list, and take little of it: more waits for the client than it takes."""
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            client.settimeout(_SECONDS)
            client.connect((self.service.host, self.service.port))
            client.sendall(get("/orders") * REPLIES)
            # The first is on its way; of what it begins with, nothing is lost.
            client.recv(1, socket.MSG_PEEK)
            yield client


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceWithClock]:
    """A service whose clock a test can set, and 1,000 orders in it."""
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
def test_a_slow_client_is_let_go_whatever_the_clock_says(
    timed: ServiceWithClock, step: float
) -> None:
    timed.set_clock(0.0)
    with timed.reader() as client, connected(timed.service) as sender:
        sender.send(head("POST /orders HTTP/1.1", HOST, "Content-Length: 100"))
        timed.set_clock(step)
        poll = select.poll()
        poll.register(client, select.POLLHUP | select.POLLRDHUP)
        assert poll.poll(_SECONDS * 1000), "the service waits for ever"
        assert sender.receive().status == 408


@pytest.mark.parametrize("step", [-HOUR, HOUR])
def test_nobody_is_cut_off_because_the_clock_was_set(timed: ServiceWithClock, step: float) -> None:
    timed.set_clock(0.0)
    with ExitStack() as stack:
        idle = stack.enter_context(connected(timed.service))
        idle.send(get("/health"))
        assert idle.receive().status == 200
        client = stack.enter_context(timed.reader())
        timed.set_clock(step)
        until = monotonic() + _LOOKED_SECONDS
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
