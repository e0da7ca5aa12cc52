"""How many cores this process may use."""

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

_CONTROL_GROUPS: Final = Path("/sys/fs/cgroup")
_OWN_GROUPS: Final = Path("/proc/self/cgroup")
_OWN_STATUS: Final = Path("/proc/self/status")


def usable_cores(
    own_groups: Path = _OWN_GROUPS,
    groups: Path = _CONTROL_GROUPS,
    status: Path = _OWN_STATUS,
) -> int:
    """Count the cores that this process may use, at least 1.

    Its CPU affinity may exclude cores of the machine (sched_setaffinity(2)), and a control group,
    such as a container's, may grant the time of fewer (cgroups(7)).

    Args:
        own_groups: The file that names the control groups of this process.
        groups: The mount point of the control groups.
        status: The kernel's file on the status of this process.
    """
    granted = [_granted(folder) for folder in _own_and_outer(own_groups, groups)]
    return int(max(1, min([_allowed(status), *granted])))


def _allowed(status: Path) -> int:
    """Count the cores of the CPU affinity, from /proc: PyPy has no `os.sched_getaffinity`."""
    try:
        mask = re.search(
            r"^Cpus_allowed:\s*([0-9a-f,]+)$", status.read_text(encoding="utf-8"), re.MULTILINE
        )
    except OSError:
        mask = None
    if mask is None:
        return os.cpu_count() or 1
    return int(mask[1].replace(",", ""), 16).bit_count()


def _own_and_outer(own_groups: Path, groups: Path) -> Iterator[Path]:
    """List the folders of the control groups of this process, and of their parents."""
    try:
        lines = own_groups.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        # Version 2 has one tree and names no controllers; version 1 has a tree for each.
        if controllers and "cpu" not in controllers.split(","):
            continue
        name = PurePosixPath(path.lstrip("/"))
        for outer in (name, *name.parents):
            yield groups / ("cpu" if controllers else "") / outer


def _granted(group: Path) -> float:
    """Return how many cores' time a control group grants, rounded up; infinite without a limit."""
    for files in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            quota, period = " ".join((group / file).read_text() for file in files).split()
        except (OSError, ValueError):
            continue
        if quota not in {"max", "-1"}:
            return math.ceil(int(quota) / int(period))
    return math.inf
