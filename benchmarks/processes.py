"""CPU time and memory of the processes of a server, from /proc (proc(5))."""

import os
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_KIB: Final = 1024
# Fields of /proc/PID/stat, counted from the one after the program's name.
_PARENT: Final = 1
_TIMES: Final = slice(11, 15)  # user and system time, of the process and of its terminated children


@contextmanager
def ended_with_us(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Kill a process if the block raises an exception, and wait until the process has ended."""
    with process:
        try:
            yield
        except BaseException:
            process.kill()
            raise


def family(pid: int) -> list[int]:
    """List a process and all its descendants."""
    children = defaultdict(list)
    for each, fields in _all_fields():
        children[int(fields[_PARENT])].append(each)
    found = [pid]
    for parent in found:
        found.extend(children[parent])
    return found


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process and its descendants have used so far, in seconds.

    The time of terminated children counts for the parent that waited for them.
    """
    members = set(family(pid))
    ticks = sum(sum(map(int, fields[_TIMES])) for each, fields in _all_fields() if each in members)
    return ticks / _TICKS


def resident_bytes(pid: int) -> list[int]:
    """Return the resident memory of a process and each descendant, largest first."""
    sizes = (_status_bytes(each, "VmRSS") for each in family(pid))
    return sorted((size for size in sizes if size), reverse=True)


def peak_resident_bytes(pid: int) -> int:
    """Return the peak resident memory of a process since it started its program."""
    return _status_bytes(pid, "VmHWM")


def _status_bytes(pid: int, name: str) -> int:
    """Read a size; 0 if the process has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        status = (_PROC / str(pid) / "status").read_text("utf-8", errors="replace")
        found = re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)
        if found is not None:
            return int(found[1]) * _KIB
    return 0


def _all_fields() -> Iterator[tuple[int, list[str]]]:
    for folder in _PROC.glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            text = (folder / "stat").read_text("utf-8", errors="replace")
            # The program's name is in parentheses and may contain anything.
            yield int(folder.name), text.rpartition(")")[2].split()
