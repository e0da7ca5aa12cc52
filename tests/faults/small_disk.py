"""A disk so small that it is soon full."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_ROOT_USER: Final = 0


def fill(disk: Path, ballast: Path) -> None:
    """Write a file until the disk is full."""
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1024))
    assert shutil.disk_usage(disk).free == 0


@contextmanager
def mounted(disk: Path) -> Iterator[Path | None]:
    """Mount a disk; yield None unless this is root, in a container that allows it."""
    disk.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "size=64m,mode=0777", "none", disk)
    if os.getuid() != _ROOT_USER or subprocess.run(mount, check=False).returncode:
        yield None
        return
    try:
        yield disk
    finally:
        # PostgreSQL may still hold a file of it open.
        subprocess.run(("umount", "--lazy", disk), check=True)
