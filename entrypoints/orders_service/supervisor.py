"""One small parent and the processes that do the work: started, watched, replaced, stopped.

The parent has one thread, holds no connection and answers no request, so that it has hardly a
reason to fail.
"""

import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn, Protocol

from attrs import define, field, frozen

from orders_service.systemd import Notifier

_LOG: Final = logging.getLogger(__name__)

FIRST_DELAY: Final = 0.1
"""How long a process that ended soon after its start waits for its successor, in seconds."""

LAST_DELAY: Final = 10.0
"""How long at most; the delay doubles from one early end to the next."""

SILENT_SECONDS: Final = 15.0
"""After how long a process that does not show any more that it works is replaced."""

_STEADY_SECONDS: Final = 10.0
_TICK_SECONDS: Final = 1.0
_STARTING_TICK_SECONDS: Final = 0.01
_STOPPING_TICK_SECONDS: Final = 0.2
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_ENDING: Final = frozenset({signal.SIGTERM, signal.SIGINT})


class Attend(Protocol):
    """Lets a process of a role hear of signals, which are blocked until then."""

    def __call__(self, stop: Callable[[], None], reload: Callable[[], None]) -> None:
        """From now on let SIGTERM, or the end of the parent, call `stop`, and SIGHUP `reload`.

        Args:
            stop: Lets the process come to its end.
            reload: Lets it read its files anew.
        """


@frozen
class Role:
    """A process to keep running.

    Attributes:
        name: What it is called in the logs.
        run: What it does until it is told to stop; it calls what it is given when it is
            ready to be told.
        worked: When it showed last that it works, by the monotonic clock, which all processes
            share.
    """

    name: str
    run: Callable[[Attend], None]
    worked: Callable[[], float]


@define
class _Process:
    """A role and the process that plays it now.

    Attributes:
        role: What it does.
        pid: Its process, 0 while there is none.
        started: When it was started, by the monotonic clock.
        delay: How long to wait before it is replaced, in seconds.
        due: When to start it, by the monotonic clock.
        hangs: Whether it was killed because it hung, and has not ended yet.
    """

    role: Role
    pid: int = 0
    started: float = 0.0
    delay: float = 0.0
    due: float = 0.0
    hangs: bool = False

    @property
    def works(self) -> bool:
        """Whether it has shown since it was started that it works."""
        return bool(self.pid) and self.role.worked() >= self.started


@define(eq=False)
class Supervisor:
    """Keeps one process for each role until SIGTERM or SIGINT.

    SIGHUP is passed on to every process. A second SIGTERM or SIGINT ends all of them at once.

    Attributes:
        groups: What to keep running, in groups; to stop, each group waits for the one before.
        drain_seconds: How long the processes may take to stop before they are killed.
        notifier: Hears of what the service manager wants to know.
        ready: Called once, when every process works.
        stopping: Called once when the service begins to stop, before any process is told.
        running: Called at least every second with the names of the roles that have a process.
        replaced: Called with the name of a role whose process has ended by itself.
        silent_seconds: After how long a process that does not show that it works is replaced.
    """

    groups: Sequence[Sequence[Role]]
    drain_seconds: float
    notifier: Notifier
    ready: Callable[[], None]
    stopping: Callable[[], None]
    running: Callable[[Collection[str]], None]
    replaced: Callable[[str], None]
    silent_seconds: float = SILENT_SECONDS
    _groups: list[list[_Process]] = field(init=False)
    _is_ready: bool = field(init=False, default=False)
    _looked: float = field(init=False, default=0.0)
    _resumed: float = field(init=False, default=0.0)

    def __attrs_post_init__(self) -> None:
        """Prepare the processes; none is started yet."""
        self._groups = [[_Process(role) for role in roles] for roles in self.groups]

    def run(self) -> bool:
        """Run until a signal ends it and every process has stopped.

        Returns:
            Whether the processes had their time: no second signal cut them short.
        """
        with _received_signals() as received:
            while not self._is_over(received):
                pass
            return self._stop(received)

    @property
    def _processes(self) -> list[_Process]:
        return [process for group in self._groups for process in group]

    def _is_over(self, received: Callable[[float], set[int]]) -> bool:
        """Start what is due, wait for a signal or a while, and look after the processes."""
        for process in self._processes:
            if not process.pid and time.monotonic() >= process.due:
                self._start(process)
        self.running([process.role.name for process in self._processes if process.pid])
        numbers = received(self._seconds_to_wait())
        self._reap()
        if numbers & _ENDING:
            return True
        if signal.SIGHUP in numbers:
            self._reload()
        self._kill_silent()
        if not self._is_ready and all(process.works for process in self._processes):
            self._is_ready = True
            self.ready()
            self.notifier.tell("READY=1")
        self._tell_watchdog()
        return False

    def _seconds_to_wait(self) -> float:
        now = time.monotonic()
        dues = [process.due - now for process in self._processes if not process.pid]
        tick = _TICK_SECONDS if self._is_ready else _STARTING_TICK_SECONDS
        return max(0.0, min([tick, *dues]))

    def _start(self, process: _Process) -> None:
        process.started = time.monotonic()
        try:
            process.pid = _forked(process.role)
        except OSError as error:
            process.due = process.started + LAST_DELAY
            _LOG.error("no process can be started", exc_info=error)

    def _reload(self) -> None:
        self.notifier.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        _send(self._processes, signal.SIGHUP)
        self.notifier.tell("READY=1")

    def _reap(self) -> None:
        """Take note of every process that has ended, and when to replace it."""
        for process in self._processes:
            status = _end(process)
            if status is None:
                continue
            now = time.monotonic()
            steady = now - process.started >= _STEADY_SECONDS
            process.delay = 0.0 if steady else min(LAST_DELAY, max(FIRST_DELAY, 2 * process.delay))
            process.due = now + process.delay
            _LOG.error(
                "a process ended and is replaced",
                extra={
                    "role": process.role.name,
                    "status": status,
                    "after_seconds": process.delay,
                },
            )
            self.replaced(process.role.name)

    def _kill_silent(self) -> None:
        """Kill each process that does not show that it works, so that it is replaced."""
        now = time.monotonic()
        if now - self._looked > 2 * _TICK_SECONDS:
            # The parent did not turn either: the machine stood still, or all of the service did.
            self._resumed = now
        self._looked = now
        for process in self._processes:
            last = max(process.started, process.role.worked(), self._resumed)
            if process.pid and not process.hangs and now - last > self.silent_seconds:
                process.hangs = True
                _LOG.error("a process hangs", extra={"role": process.role.name})
                _send([process], signal.SIGKILL)

    def _tell_watchdog(self) -> None:
        """Say that the service is well while each group has a process that works.

        A process that hangs is replaced. Where its successors hang or die as well, the service
        manager hears nothing any more, and starts the whole service anew.
        """
        since = time.monotonic() - self.silent_seconds
        if self._resumed >= since or all(
            any(process.role.worked() >= since for process in group) for group in self._groups
        ):
            self.notifier.tell_watchdog()

    def _stop(self, received: Callable[[float], set[int]]) -> bool:
        """Ask every process to stop, and wait; kill those that take too long."""
        self.stopping()
        self.notifier.tell("STOPPING=1")
        deadline = time.monotonic() + self.drain_seconds
        insisted: set[int] = set()
        for group in self._groups:
            _send(group, signal.SIGTERM)
            while any(process.pid for process in group):
                insisted |= received(_STOPPING_TICK_SECONDS) & _ENDING
                if insisted or time.monotonic() > deadline:
                    _send(self._processes, signal.SIGKILL)
                for process in group:
                    _end(process)
                self.notifier.tell_watchdog()
        return not insisted


@contextmanager
def _received_signals() -> Iterator[Callable[[float], set[int]]]:
    """Give a function that waits for signals, for so many seconds, and tells which came."""
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    poll = select.poll()
    poll.register(reading, select.POLLIN)

    def received(seconds: float) -> set[int]:
        poll.poll(seconds * 1000)
        with suppress(BlockingIOError):
            return set(os.read(reading, 4096))
        return set()

    before = {number: signal.signal(number, _note) for number in _SIGNALS}
    wake_before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield received
    finally:
        signal.set_wakeup_fd(wake_before)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reading)
        os.close(writing)


def _note(_number: int, _frame: FrameType | None) -> None:
    """Let the signal's number be written to the pipe, and no more."""


def _forked(role: Role) -> int:
    """Start a process that plays a role, and give its id.

    Raises:
        OSError: The system has no room for it.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    # Until the child has handlers of its own, a signal must not be taken for the parent's.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    parent = os.getpid()
    try:
        return os.fork() or _play(role, parent)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def _play(role: Role, parent: int) -> NoReturn:
    """Run a role in a process that was just forked, and end the process whatever happens."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        _show_name(role.name)
        # Ctrl-C reaches every process of the terminal; the parent says what comes of it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        role.run(partial(_attend, parent))
        status = 0
    except BaseException:  # noqa: BLE001 - logged, and told by the status
        _LOG.exception("a process failed", extra={"role": role.name})
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Not sys.exit: what the parent registered to run at its end is the parent's to run.
        os._exit(status)


def _show_name(name: str) -> None:
    """Let ps(1) and top(1) tell the processes apart, where the system can (proc(5), `comm`)."""
    with suppress(OSError):
        Path("/proc/self/comm").write_text(name, encoding="utf-8")


def _attend(parent: int, stop: Callable[[], None], reload: Callable[[], None]) -> None:
    def look_for_parent(_number: int, _frame: FrameType | None) -> None:
        if os.getppid() != parent:
            stop()

    signal.signal(signal.SIGTERM, lambda _number, _frame: stop())
    signal.signal(signal.SIGHUP, lambda _number, _frame: reload())
    signal.signal(signal.SIGALRM, look_for_parent)
    signal.setitimer(signal.ITIMER_REAL, _TICK_SECONDS, _TICK_SECONDS)
    # What started the service may have blocked the timer's signal too.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_SIGNALS, signal.SIGALRM))


def _end(process: _Process) -> int | None:
    """Take note of a process that has ended, and give its status; None when it has not."""
    if not process.pid:
        return None
    pid, status = os.waitpid(process.pid, os.WNOHANG)
    if not pid:
        return None
    process.pid, process.hangs = 0, False
    return os.waitstatus_to_exitcode(status)


def _send(processes: Sequence[_Process], number: signal.Signals) -> None:
    for process in processes:
        if process.pid:
            os.kill(process.pid, number)
