"""What the disk and the rights of this process allow."""

import os
from pathlib import Path


def free_bytes(path: Path) -> int | None:
    """Tell how much this process can still write; None when the system does not tell."""
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return None
    blocks = disk.f_bavail if os.geteuid() else disk.f_bfree
    return blocks * disk.f_frsize if disk.f_blocks else None


def has_room(path: Path, needed: int) -> bool:
    """Tell whether so many bytes are free, or the system does not tell."""
    free = free_bytes(path)
    return free is None or free >= needed


def may_write(path: Path) -> bool:
    """Tell whether this process may write to a file or a folder."""
    return os.access(path, os.W_OK, effective_ids=True)
