"""How many cores this process may use."""

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

_CONTROL_GROUPS: Final = Path("/sys/fs/cgroup")
_OWN_GROUPS: Final = Path("/proc/self/cgroup")


def usable_cores(own_groups: Path = _OWN_GROUPS, groups: Path = _CONTROL_GROUPS) -> int:
    """Tell how many cores this process may use, at least 1.

    It may run on some of the machine's cores (sched_setaffinity(2)), and a control group, such as
    that of a container, may grant the time of fewer (cgroups(7)).

    Args:
        own_groups: The file that names the control groups of this process.
        groups: Where the control groups are mounted.
    """
    granted = [_granted(folder) for folder in _own_and_outer(own_groups, groups)]
    return int(max(1, min([len(os.sched_getaffinity(0)), *granted])))


def _own_and_outer(own_groups: Path, groups: Path) -> Iterator[Path]:
    """Give the folders of the control groups of this process, and of those around them."""
    try:
        lines = own_groups.read_text().splitlines()
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
    """Tell how many cores' time a control group grants, rounded up; infinite without a limit."""
    for files in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            quota, period = " ".join((group / file).read_text() for file in files).split()
        except (OSError, ValueError):
            continue
        if quota not in {"max", "-1"}:
            return math.ceil(int(quota) / int(period))
    return math.inf
