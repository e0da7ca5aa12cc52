"""What a service uses of its machine."""

import logging
import os
from pathlib import Path
from typing import Final

from attrs import frozen

from tests.postgres_server import wait_until
from tests.service_process import RunningService

_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_MEMORY_SLACK: Final = 16 * 1024 * 1024
# Database connections that are open at one moment and not at another.
_FILES_SLACK: Final = 20
_LOG: Final = logging.getLogger(__name__)


@frozen
class Footprint:
    """What all processes of a service use together.

    Attributes:
        memory: Resident memory, in bytes.
        files: Open files and connections.
    """

    memory: int
    files: int

    @classmethod
    def of(cls, service: RunningService) -> "Footprint":
        """Measure a service."""
        processes = [Path(f"/proc/{pid}") for pid in (service.pid, *service.children.values())]
        pages = sum(int((each / "statm").read_text("ascii").split()[1]) for each in processes)
        files = sum(len(list((each / "fd").iterdir())) for each in processes)
        return cls(pages * _PAGE_BYTES, files)


def assert_not_grown(service: RunningService, earlier: Footprint) -> None:
    """Prove that a service uses no more than before, apart from a margin."""
    # The service may take a moment to notice that clients have gone.
    wait_until(lambda: Footprint.of(service).files < earlier.files + _FILES_SLACK)
    now = Footprint.of(service)
    grown = now.memory - earlier.memory
    _LOG.info("memory grew by %d KiB to %d KiB", grown // 1024, now.memory // 1024)
    _LOG.info("open files grew by %d to %d", now.files - earlier.files, now.files)
    assert grown < _MEMORY_SLACK
