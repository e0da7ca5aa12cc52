"""What a service takes of its machine."""

import logging
import os
from pathlib import Path
from typing import Final

from attrs import frozen

from tests.postgres_server import wait_until
from tests.service_process import RunningService

_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_MEMORY_SLACK: Final = 16 * 1024 * 1024
# Connections to the database that are there at one moment and not at the other.
_FILES_SLACK: Final = 20
_LOG: Final = logging.getLogger(__name__)


def children(service: RunningService) -> list[int]:
    """List the processes that the first process of a service has begun."""
    listed = Path(f"/proc/{service.pid}/task/{service.pid}/children").read_text("ascii")
    return [int(pid) for pid in listed.split()]


@frozen
class Footprint:
    """What a service takes of its machine, all its processes together.

    Attributes:
        memory: The memory that it holds, in bytes.
        files: The files and connections that it has open.
    """

    memory: int
    files: int

    @classmethod
    def of(cls, service: RunningService) -> "Footprint":
        """Measure a service."""
        processes = [Path(f"/proc/{pid}") for pid in (service.pid, *children(service))]
        pages = sum(int((each / "statm").read_text("ascii").split()[1]) for each in processes)
        files = sum(len(list((each / "fd").iterdir())) for each in processes)
        return cls(pages * _PAGE_BYTES, files)


def assert_not_grown(service: RunningService, earlier: Footprint) -> None:
    """Prove that a service takes no more than it did, but for what comes and goes."""
    # It may take a moment to notice that clients have gone.
    wait_until(lambda: Footprint.of(service).files < earlier.files + _FILES_SLACK)
    now = Footprint.of(service)
    grown = now.memory - earlier.memory
    _LOG.info("memory grew by %d KiB to %d KiB", grown // 1024, now.memory // 1024)
    _LOG.info("open files grew by %d to %d", now.files - earlier.files, now.files)
    assert grown < _MEMORY_SLACK
