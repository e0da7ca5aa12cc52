"""The parent: starts its processes, watches them, replaces them, and stops them in order."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from types import MappingProxyType
from typing import Final

import pytest
from attrs import define, field

from tests.service_python import SERVICE_PATH, SERVICE_PYTHON
from tests.short_folders import short_folder

PROGRAM: Final = Path(__file__).with_name("supervised.py")


@define
class Event:
    """An event of a process."""

    name: str
    pid: int
    what: str


@define
class Supervised:
    """A supervisor in a separate process, and what its processes have printed so far."""

    process: subprocess.Popen[str]
    events: list[Event] = field(factory=list)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def next(self, what: str, name: str | None = None) -> Event:
        """Wait for an event of a process, by default of any."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said, pid, rest = line.rstrip().split(" ", 2)
            self.events.append(Event(said, int(pid), rest))
            if rest == what and name in {None, said}:
                return self.events[-1]
        message = f"nobody said {what!r}: {self.events}"
        raise AssertionError(message)

    def end(self, number: signal.Signals | None = signal.SIGTERM) -> list[dict[str, object]]:
        """Let it end, and return what it logged."""
        if number is not None:
            self.send(number)
        out, err = self.process.communicate(timeout=30)
        for line in out.splitlines():
            said, pid, rest = line.split(" ", 2)
            self.events.append(Event(said, int(pid), rest))
        return [json.loads(line) for line in err.splitlines()]

    def said(self, name: str) -> list[str]:
        return [event.what for event in self.events if event.name == name]


@contextmanager
def supervised(
    *groups: str,
    drain: float = 60.0,
    silent: float = 60.0,
    environ: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Supervised]:
    """Run a supervisor, by default a patient one: the machine may be busy."""
    patience = {"DRAIN_SECONDS": f"{drain}", "SILENT_SECONDS": f"{silent}"}
    process = subprocess.Popen(
        [SERVICE_PYTHON, PROGRAM, *groups],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": SERVICE_PATH, **patience, **environ},
        start_new_session=True,
    )
    try:
        yield Supervised(process)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_it_is_ready_when_every_process_works_and_stops_them_group_by_group() -> None:
    with supervised("one,two", "last") as service:
        service.next("is ready")
        starts = [event.name for event in service.events if event.what == "starts"]
        assert sorted(starts) == ["last", "one", "two"]
        logged = service.end()
        assert (service.process.returncode, logged) == (0, [])
        order = [(event.name, event.what) for event in service.events]
        assert order.index(("parent", "is stopping")) < order.index(("one", "is asked to stop"))
        for name in ("one", "two"):
            assert order.index((name, "ends")) < order.index(("last", "is asked to stop"))
        assert order[-1] == ("parent", "ends")


def test_ctrl_c_stops_like_sigterm() -> None:
    with supervised("one") as service:
        service.next("is ready")
        # As a terminal does: the processes get it too, and leave it to their parent.
        os.killpg(service.process.pid, signal.SIGINT)
        assert service.end(None) == []
        assert service.process.returncode == 0
        assert service.said("one")[-1] == "ends"


def test_a_process_that_dies_is_replaced_and_the_others_continue() -> None:
    with supervised("one,two") as service:
        service.next("is ready")
        (old,) = (event.pid for event in service.events if event.name == "one")
        os.kill(old, signal.SIGKILL)
        service.next("is replaced", "one")
        assert service.next("starts", "one").pid != old
        (logged,) = service.end()
        assert logged["message"] == "a process ended and is replaced"
        assert (logged["role"], logged["status"]) == ("one", -signal.SIGKILL)
        assert service.said("two") == ["starts", "is asked to stop", "ends"]


def test_it_reports_which_processes_run() -> None:
    # Retried, since a slow parent starts the next process before it reports.
    with supervised("one,two:dies") as service:
        service.next("has one two", "parent")
        service.next("has one", "parent")
        service.next("has one two", "parent")
        service.end()


def test_a_process_that_keeps_failing_is_restarted_less_and_less_often() -> None:
    with supervised("one:fails", "two") as service:
        for _ in range(4):
            service.next("is replaced", "one")
        logged = [each for each in service.end() if each["logger"] == "orders_service.supervisor"]
        failed = [each for each in logged if each["message"] == "a process failed"]
        assert "as it was told" in str(failed[0]["traceback"])
        delays = [each["after_seconds"] for each in logged if "after_seconds" in each]
        assert delays[:4] == [0.1, 0.2, 0.4, 0.8]
        assert "is ready" not in service.said("parent")


def test_a_process_without_heartbeats_is_replaced() -> None:
    with supervised("one:silent", silent=0.5) as service:
        service.next("is replaced", "one")
        logged = service.end()
        assert [each["message"] for each in logged[:2]] == [
            "a process hangs",
            "a process ended and is replaced",
        ]


def test_a_process_with_heartbeats_stays_when_another_is_replaced() -> None:
    with supervised("one,two:fades", silent=5) as service:
        service.next("is replaced", "two")
        service.end()
        assert "is replaced" not in service.said("one")


def test_a_service_that_was_suspended_as_a_whole_replaces_nothing() -> None:
    with supervised("one,two", silent=2.5) as service:
        service.next("is ready")
        os.killpg(service.process.pid, signal.SIGSTOP)
        time.sleep(3)  # Longer than any process may be silent, the parent among them.
        service.send(signal.SIGCONT)
        time.sleep(0.1)  # The parent is the first that looks.
        os.killpg(service.process.pid, signal.SIGCONT)
        assert service.end() == []
        assert "is replaced" not in service.said("one") + service.said("two")


def test_a_process_that_does_not_stop_in_time_is_killed() -> None:
    with supervised("one:deaf", "two", drain=1) as service:
        service.next("is ready")
        service.end()
        assert service.process.returncode == 0
        assert service.said("one") == ["starts", "is asked to stop"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_kills_everything_at_once(number: signal.Signals) -> None:
    with supervised("one:deaf") as service:
        service.next("is ready")
        service.send(signal.SIGTERM)
        service.next("is asked to stop")
        service.end(number)
        assert service.process.returncode == 1
        assert "ends" not in service.said("one")


def test_sighup_reaches_every_process_and_none_ends() -> None:
    with supervised("one", "two") as service:
        service.next("is ready")
        service.send(signal.SIGHUP)
        for _ in range(2):
            service.next("reloads")
        service.end()
        for name in ("one", "two"):
            assert service.said(name) == ["starts", "reloads", "is asked to stop", "ends"]


def test_processes_end_when_their_parent_is_gone() -> None:
    with supervised("one,two") as service:
        service.next("is ready")
        service.send(signal.SIGKILL)
        for name in ("one", "two"):
            # The other may have said so before.
            if "ends" not in service.said(name):
                service.next("ends", name)
        # They hold its standard output, which ends with them.
        service.end(None)


@pytest.mark.parametrize("circumstance", ["--blocked", "--ignored"])
def test_signals_blocked_or_ignored_at_the_start_still_work(circumstance: str) -> None:
    with supervised(circumstance, "one") as service:
        service.next("is ready")
        service.send(signal.SIGHUP)
        service.next("reloads")
        service.end()
        assert service.process.returncode == 0


@pytest.mark.parametrize("circumstance", ["--blocked", "--ignored"])
def test_processes_notice_the_end_of_their_parent_with_signals_blocked_or_ignored(
    circumstance: str,
) -> None:
    with supervised(circumstance, "one") as service:
        service.next("is ready")
        service.send(signal.SIGKILL)
        service.next("ends", "one")
        service.end(None)


def test_a_failed_fork_is_retried() -> None:
    with supervised("--unforked", "one,two") as service:
        service.next("starts", "two")
        (logged,) = service.end()
        assert logged["message"] == "no process can be started"
        assert "unavailable" in str(logged["error"])
        assert service.said("one") == []


def test_each_process_shows_its_name_in_ps() -> None:
    with supervised("one") as service:
        service.next("is ready")
        (pid,) = (event.pid for event in service.events if event.name == "one")
        assert Path(f"/proc/{pid}/comm").read_text(encoding="utf-8") == "one\n"


@define
class Manager:
    """A service manager that listens, and has a watchdog."""

    listening: socket.socket
    messages: "SimpleQueue[bytes]" = field(factory=SimpleQueue)

    def listen(self) -> None:
        """Receive each message at once, as systemd does, until an empty one arrives."""
        while message := self.listening.recv(1000):
            self.messages.put(message)

    @property
    def environ(self) -> dict[str, str]:
        return {"NOTIFY_SOCKET": self.listening.getsockname(), "WATCHDOG_USEC": "1000000"}

    def hear(self, what: bytes) -> bytes:
        """Wait for a message that contains these words."""
        while True:
            message = self.messages.get(timeout=30)
            if what in message:
                return message

    def heard(self) -> list[bytes]:
        """Return the messages not yet seen."""
        return [self.messages.get() for _ in range(self.messages.qsize())]


@pytest.fixture
def manager() -> Iterator[Manager]:
    with short_folder() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(folder / "notify"))
        manager = Manager(listening)
        thread = Thread(target=manager.listen)
        thread.start()
        yield manager
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ending:
            ending.sendto(b"", listening.getsockname())
        thread.join()


def test_the_service_manager_is_informed_of_every_state(manager: Manager) -> None:
    with supervised("one", environ=manager.environ) as service:
        service.next("is ready")
        manager.hear(b"READY=1")
        manager.hear(b"WATCHDOG=1")
        service.send(signal.SIGHUP)
        assert manager.hear(b"RELOADING=1").startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        manager.hear(b"READY=1")
        service.send(signal.SIGTERM)
        manager.hear(b"STOPPING=1")
        service.end(None)


def test_the_watchdog_starves_while_no_process_of_a_group_works(manager: Manager) -> None:
    with supervised("one:fades", "two", silent=0.5, environ=manager.environ) as service:
        service.next("is ready")
        manager.hear(b"WATCHDOG=1")
        service.next("is replaced", "one")
        for _ in range(5):
            manager.heard()
            service.next("is replaced", "one")
            # After a stall of the machine, the service gets more time.
            if not manager.heard():
                break
        else:
            pytest.fail("the watchdog hears on")


def test_the_watchdog_is_fed_while_another_of_the_group_works(manager: Manager) -> None:
    with supervised("one:fades,two", silent=0.5, environ=manager.environ) as service:
        service.next("is ready")
        service.next("is replaced", "one")
        manager.heard()
        service.next("is replaced", "one")
        # The one that was replaced never shows again that it works.
        manager.hear(b"WATCHDOG=1")
