"""A small parent process that starts, watches, replaces and stops the processes that do the work.

The parent has one thread, holds no connection and answers no request, so little in it can fail.
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
"""Seconds before a process that ended soon after its start is replaced, the first time."""

LAST_DELAY: Final = 10.0
"""The longest such delay; it doubles with each early end."""

SILENT_SECONDS: Final = 15.0
"""Seconds without a heartbeat after which a process is replaced."""

_STEADY_SECONDS: Final = 10.0
_TICK_SECONDS: Final = 1.0
_STARTING_TICK_SECONDS: Final = 0.01
_STOPPING_TICK_SECONDS: Final = 0.2
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_ENDING: Final = frozenset({signal.SIGTERM, signal.SIGINT})


class HandleSignals(Protocol):
    """Sets the signal handlers of a child process, whose signals are blocked until then."""

    def __call__(self, stop: Callable[[], None], reload: Callable[[], None]) -> None:
        """Call `stop` at SIGTERM or at the end of the parent, and `reload` at SIGHUP.

        Args:
            stop: Makes the process finish.
            reload: Makes it read its files again.
        """


@frozen
class ProcessSpec:
    """A process to keep running.

    Attributes:
        name: Its name in the logs.
        run: What it does until it is stopped. It calls its argument once it can handle signals.
        heartbeat: When it last showed that it works, by the monotonic clock, which all processes
            share.
    """

    name: str
    run: Callable[[HandleSignals], None]
    heartbeat: Callable[[], float]


@define
class _Process:
    """The process that runs a specification now.

    Attributes:
        spec: The specification.
        pid: The id of the process, 0 while none runs.
        started: When it was started, by the monotonic clock.
        delay: Seconds to wait before it is replaced.
        due: When to start it, by the monotonic clock.
        hangs: Whether it was killed because it hung, and has not ended yet.
    """

    spec: ProcessSpec
    pid: int = 0
    started: float = 0.0
    delay: float = 0.0
    due: float = 0.0
    hangs: bool = False

    @property
    def works(self) -> bool:
        """Whether it has sent a heartbeat since its start."""
        return bool(self.pid) and self.spec.heartbeat() >= self.started


@define(eq=False)
class Supervisor:
    """Keeps one process running for each specification until SIGTERM or SIGINT.

    SIGHUP is passed on to every process. A second SIGTERM or SIGINT ends all of them at once.

    Attributes:
        groups: What to keep running. At a stop, each group waits for the one before.
        drain_seconds: Seconds that the processes may take to stop before they are killed.
        notifier: Keeps the service manager informed.
        ready: Called once, when every process works.
        stopping: Called once when the service begins to stop, before any process is stopped.
        running: Called at least every second with the names of the processes that run.
        replaced: Called with the name of each process that ended by itself.
        silent_seconds: Seconds without a heartbeat after which a process is replaced.
    """

    groups: Sequence[Sequence[ProcessSpec]]
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
        """Prepare the processes without starting any."""
        self._groups = [[_Process(spec) for spec in specs] for specs in self.groups]

    def run(self) -> bool:
        """Run until a signal ends it and every process has stopped.

        Returns:
            Whether every process could finish: no second signal cut it short.
        """
        with _received_signals() as received:
            while not self._is_over(received):
                pass
            return self._stop(received)

    @property
    def _processes(self) -> list[_Process]:
        return [process for group in self._groups for process in group]

    def _is_over(self, received: Callable[[float], set[int]]) -> bool:
        """Start what is due, wait for a signal or a tick, and look after the processes."""
        for process in self._processes:
            if not process.pid and time.monotonic() >= process.due:
                self._start(process)
        self.running([process.spec.name for process in self._processes if process.pid])
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
            process.pid = _forked(process.spec)
        except OSError as error:
            process.due = process.started + LAST_DELAY
            _LOG.error("no process can be started", exc_info=error)

    def _reload(self) -> None:
        self.notifier.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        _send(self._processes, signal.SIGHUP)
        self.notifier.tell("READY=1")

    def _reap(self) -> None:
        """Note every process that has ended, and when to replace it."""
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
                    "role": process.spec.name,
                    "status": status,
                    "after_seconds": process.delay,
                },
            )
            self.replaced(process.spec.name)

    def _kill_silent(self) -> None:
        """Kill each process without a recent heartbeat, so that it is replaced."""
        now = time.monotonic()
        if now - self._looked > 2 * _TICK_SECONDS:
            # The parent did not run either: the machine, or the whole service, was suspended.
            self._resumed = now
        self._looked = now
        for process in self._processes:
            last = max(process.started, process.spec.heartbeat(), self._resumed)
            if process.pid and not process.hangs and now - last > self.silent_seconds:
                process.hangs = True
                _LOG.error("a process hangs", extra={"role": process.spec.name})
                _send([process], signal.SIGKILL)

    def _tell_watchdog(self) -> None:
        """Feed the watchdog while each group has a process that works.

        If the replacements of a hung process hang or die as well, the watchdog starves, and the
        service manager restarts the whole service.
        """
        since = time.monotonic() - self.silent_seconds
        if self._resumed >= since or all(
            any(process.spec.heartbeat() >= since for process in group) for group in self._groups
        ):
            self.notifier.tell_watchdog()

    def _stop(self, received: Callable[[float], set[int]]) -> bool:
        """Stop every process, and wait; kill those that take too long."""
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
    """Yield a function that waits some seconds for signals, and returns those that came."""
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
    """Do nothing: the wake-up descriptor has the signal's number."""


def _forked(spec: ProcessSpec) -> int:
    """Start a process, and return its id.

    Raises:
        OSError: The system cannot start another process.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    # Until the child has set its handlers, a signal would run the parent's.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    parent = os.getpid()
    try:
        return os.fork() or _run_child(spec, parent)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def _run_child(spec: ProcessSpec, parent: int) -> NoReturn:
    """Run a specification in the forked process, and end the process whatever happens."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        _show_name(spec.name)
        # Ctrl-C reaches every process of the terminal; the parent alone acts on it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        spec.run(partial(_handle_signals, parent))
        status = 0
    except BaseException:  # noqa: BLE001 - logged, and shown by the status
        _LOG.exception("a process failed", extra={"role": spec.name})
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Not sys.exit: the parent's exit handlers must not run here.
        os._exit(status)


def _show_name(name: str) -> None:
    """Show the name in ps(1) and top(1), where the system can (proc(5), `comm`)."""
    with suppress(OSError):
        Path("/proc/self/comm").write_text(name, encoding="utf-8")


def _handle_signals(parent: int, stop: Callable[[], None], reload: Callable[[], None]) -> None:
    def look_for_parent(_number: int, _frame: FrameType | None) -> None:
        if os.getppid() != parent:
            stop()

    signal.signal(signal.SIGTERM, lambda _number, _frame: stop())
    signal.signal(signal.SIGHUP, lambda _number, _frame: reload())
    signal.signal(signal.SIGALRM, look_for_parent)
    signal.setitimer(signal.ITIMER_REAL, _TICK_SECONDS, _TICK_SECONDS)
    # The program that started the service may have blocked the timer's signal too.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_SIGNALS, signal.SIGALRM))


def _end(process: _Process) -> int | None:
    """Note that a process has ended, and return its status; None while it runs."""
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
