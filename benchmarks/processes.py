"""What the processes of a server use, as Linux tells in /proc (proc(5))."""

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
# Fields of /proc/PID/stat, counted from the one behind the program's name.
_PARENT: Final = 1
_TIMES: Final = slice(11, 15)  # user and system, its own and of children that have ended


@contextmanager
def ended_with_us(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Kill a process when what runs inside ends with an exception, and wait for its end."""
    with process:
        try:
            yield
        except BaseException:
            process.kill()
            raise


def family(pid: int) -> list[int]:
    """List a process, its children, their children, and so on."""
    children = defaultdict(list)
    for each, fields in _all_fields():
        children[int(fields[_PARENT])].append(each)
    found = [pid]
    for parent in found:
        found.extend(children[parent])
    return found


def cpu_seconds(pid: int) -> float:
    """Give the processor time that a process and its family have used until now, in seconds.

    What children that have ended had used is counted with the parent that waited for them.
    """
    members = set(family(pid))
    ticks = sum(sum(map(int, fields[_TIMES])) for each, fields in _all_fields() if each in members)
    return ticks / _TICKS


def resident_bytes(pid: int) -> list[int]:
    """Give the resident memory of each process of a family, the largest first."""
    sizes = (_status_bytes(each, "VmRSS") for each in family(pid))
    return sorted((size for size in sizes if size), reverse=True)


def peak_resident_bytes(pid: int) -> int:
    """Give the most resident memory that a process has had since it began its program."""
    return _status_bytes(pid, "VmHWM")


def _status_bytes(pid: int, name: str) -> int:
    """Read a size; 0 when the process has ended."""
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
            # The program's name stands in parentheses and may hold anything.
            yield int(folder.name), text.rpartition(")")[2].split()
