"""A program for the tests to disturb: a supervisor and its processes.

Each process prints its events, one a line: `NAME PID EVENT`.
"""

import mmap
import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from attrs import define

from orders_service.logs import configure_logs
from orders_service.supervisor import HandleSignals, ProcessSpec, Supervisor
from orders_service.systemd import Notifier


def say(name: str, event: str) -> None:
    os.write(1, f"{name} {os.getpid()} {event}\n".encode())


@define
class Actor:
    """What a process does.

    Attributes:
        name: Its name.
        manner: `well`, or what is wrong with it: `fails` raises at once, `deaf` does not stop,
            `silent` does not turn, `dies` turns once, `fades` turns once and never again, nor do
            its successors.
        turns: Shared memory that holds when it turned.
    """

    name: str
    manner: str
    turns: "memoryview[float]"
    stopped: bool = False

    def run(self, handle_signals: HandleSignals) -> None:
        handle_signals(self.stop, self.reload)
        say(self.name, "starts")
        if self.manner == "fails":
            message = "as it was told"
            raise ValueError(message)
        while not self.stopped:
            if self.manner != "silent" and (self.manner != "fades" or not self.turns[0]):
                self.turns[0] = time.monotonic()
            if self.manner == "dies":
                break
            time.sleep(0.01)
        say(self.name, "ends")

    def stop(self) -> None:
        say(self.name, "is asked to stop")
        self.stopped = self.manner != "deaf"

    def reload(self) -> None:
        say(self.name, "reloads")

    def spec(self) -> ProcessSpec:
        return ProcessSpec(self.name, self.run, lambda: self.turns[0])


@define
class Running:
    """Prints which processes run, whenever that changes."""

    names: Collection[str] = ()

    def __call__(self, names: Collection[str]) -> None:
        if names != self.names:
            self.names = names
            say("parent", f"has {' '.join(names) or 'none'}")


def main(groups: Sequence[str]) -> None:
    """Supervise, with the environment's `DRAIN_SECONDS` and `SILENT_SECONDS`.

    Args:
        groups: For each group its processes, by commas, as `NAME:MANNER`; with `--unforked` in
            front the first fork fails; with `--blocked` or `--ignored` it begins with every
            signal blocked or ignored, as another program may start it.
    """
    configure_logs()
    if groups[0].startswith("--"):
        _CONDITIONS[groups[0]]()
        groups = groups[1:]

    def spec(text: str) -> ProcessSpec:
        name, _, manner = text.partition(":")
        return Actor(name, manner or "well", memoryview(mmap.mmap(-1, 8)).cast("d")).spec()

    gently = Supervisor(
        [[spec(each) for each in group.split(",")] for group in groups],
        drain_seconds=float(os.environ["DRAIN_SECONDS"]),
        notifier=Notifier.from_environment(os.environ, os.getpid()),
        ready=lambda: say("parent", "is ready"),
        stopping=lambda: say("parent", "is stopping"),
        running=Running(),
        replaced=lambda name: say(name, "is replaced"),
        silent_seconds=float(os.environ["SILENT_SECONDS"]),
    ).run()
    say("parent", "ends")
    sys.exit(not gently)


def _fail_first_fork() -> None:
    fork: Callable[[], int] = os.fork

    def fail() -> int:
        os.fork = fork
        raise BlockingIOError(11, "Resource temporarily unavailable")

    os.fork = fail


def _block_signals() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def _ignore_signals() -> None:
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)


_CONDITIONS: Final[Mapping[str, Callable[[], None]]] = {
    "--blocked": _block_signals,
    "--ignored": _ignore_signals,
    "--unforked": _fail_first_fork,
}


if __name__ == "__main__":
    main(sys.argv[1:])
