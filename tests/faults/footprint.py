"""What a service takes of its machine."""

import logging
import os
from pathlib import Path
from typing import Final

from attrs import frozen

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

    def assert_no_more_than(self, earlier: "Footprint") -> None:
        """Prove that it has not grown since then, but for what comes and goes."""
        grown = self.memory - earlier.memory
        _LOG.info("memory grew by %d KiB to %d KiB", grown // 1024, self.memory // 1024)
        _LOG.info("open files grew by %d to %d", self.files - earlier.files, self.files)
        assert grown < _MEMORY_SLACK
        assert self.files < earlier.files + _FILES_SLACK
