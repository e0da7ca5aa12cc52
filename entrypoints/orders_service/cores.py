"""How many cores this process may use."""

import math
import os
from pathlib import Path, PurePosixPath
from typing import Final

_CONTROL_GROUPS: Final = Path("/sys/fs/cgroup")
_OWN_GROUPS: Final = Path("/proc/self/cgroup")


def usable_cores(own_groups: Path = _OWN_GROUPS, groups: Path = _CONTROL_GROUPS) -> int:
    """Tell how many cores this process may use, at least 1.

    It may run on some of the machine's cores (sched_setaffinity(2)), and a control group, such as
    that of a container, may grant the time of fewer (Linux, "Control Group v2", `cpu.max`).

    Args:
        own_groups: The file that names the control group of this process.
        groups: Where the control groups are mounted.
    """
    granted = [_granted(group) for group in _own_and_outer(own_groups, groups)]
    return int(max(1, min([len(os.sched_getaffinity(0)), *granted])))


def _own_and_outer(own_groups: Path, groups: Path) -> list[Path]:
    """Give the folders of the control group of this process, and of those around it."""
    try:
        lines = own_groups.read_text().splitlines()
    except OSError:
        return []
    names = [PurePosixPath(line.removeprefix("0::/")) for line in lines if line.startswith("0::/")]
    return [groups / outer for name in names for outer in (name, *name.parents)]


def _granted(group: Path) -> float:
    """Tell how many cores' time a control group grants, rounded up; infinite without a limit."""
    try:
        quota, period = (group / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return math.inf
    return math.inf if quota == "max" else math.ceil(int(quota) / int(period))
