"""Measurements of a process include its children."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks.processes import (
    cpu_seconds,
    ended_with_us,
    family,
    peak_resident_bytes,
    resident_bytes,
)

BURN = "import time\nwhile time.process_time() < 0.5: pass\n"
PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {BURN!r}], check=True)
child = subprocess.Popen([sys.executable, "-c", "print(1, flush=True); input()"])
input()
"""
MIB = 1024 * 1024


@contextmanager
def parent() -> Iterator[int]:
    """Run a process with one busy child that has ended and one idle child."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"1\n"
        yield process.pid
        process.communicate(b"\n\n")


def test_a_family_includes_the_children() -> None:
    with parent() as pid:
        assert family(pid)[0] == pid
        assert len(family(pid)) == 2


def test_the_cpu_time_of_terminated_children_counts() -> None:
    with parent() as pid:
        assert cpu_seconds(pid) >= 0.5


def test_memory_is_measured_for_each_process() -> None:
    with parent() as pid:
        sizes = resident_bytes(pid)
        assert len(sizes) == 2
        assert MIB < sizes[-1] <= sizes[0] < 100 * MIB
        assert peak_resident_bytes(pid) >= MIB


def test_an_exception_while_waiting_kills_the_process() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with pytest.raises(KeyboardInterrupt), ended_with_us(process):
        raise KeyboardInterrupt
    assert process.returncode == -signal.SIGKILL


def test_a_terminated_process_has_no_memory() -> None:
    with parent() as pid:
        pass
    assert peak_resident_bytes(pid) == 0
