"""What the workers know of each other: their connections, and that their loops run.

The figures are in memory that all processes share. Each worker writes its own and reads the
others', so that a worker with many connections leaves the next one to a worker with few. Without
this the kernel would give nearly all to one worker.
"""

import mmap
import time
from collections.abc import Callable
from typing import Final

from attrs import frozen

_STALE_SECONDS: Final = 3.0
_FIGURE_BYTES: Final = 8
_FIGURES: Final = 2
_CONNECTIONS, _HEARTBEAT = range(_FIGURES)


class Scoreboard:
    """A slot for each of a fixed number of processes; created before they are forked."""

    def __init__(self, slots: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Create the slots, all without connections.

        Args:
            slots: The number of processes.
            clock: The time in seconds, the same for all processes.
        """
        self.clock = clock
        self.slots = slots
        memory = mmap.mmap(-1, (slots * _FIGURES + 1) * _FIGURE_BYTES)
        self._figures = memoryview(memory).cast("d")

    def slot(self, number: int) -> "Slot":
        """Return the slot of one process, counted from 0."""
        return Slot(self, number)

    @property
    def stopping(self) -> bool:
        """Whether the service is stopping."""
        return self._figures[-1] != 0

    def stop(self) -> None:
        """Tell every process that the service is stopping."""
        self._figures[-1] = 1.0

    def last_heartbeat(self, number: int) -> float:
        """Return when a process last showed that it works; 0 if it never did."""
        return self._figures[number * _FIGURES + _HEARTBEAT]

    def connections(self, number: int) -> int:
        """Return how many connections a process holds."""
        return int(self._figures[number * _FIGURES + _CONNECTIONS])

    def note(self, number: int, connections: int) -> None:
        """Note that a process works, and how many connections it holds."""
        self._figures[number * _FIGURES + _CONNECTIONS] = connections
        self._figures[number * _FIGURES + _HEARTBEAT] = self.clock()

    def leave(self, number: int) -> None:
        """Note that a process has ended, so that no connection is left to it."""
        self._figures[number * _FIGURES + _HEARTBEAT] = 0.0

    def fewest_connections(self, other_than: int) -> int | None:
        """Return the lowest number of connections that another process holds.

        Processes without a recent heartbeat do not count. None if there is no other.
        """
        since = self.clock() - _STALE_SECONDS
        return min(
            (
                self.connections(number)
                for number in range(self.slots)
                if number != other_than and self.last_heartbeat(number) > since
            ),
            default=None,
        )


@frozen
class Slot:
    """One process's slot of a scoreboard.

    Attributes:
        scoreboard: The scoreboard.
        number: The number of the slot.
    """

    scoreboard: Scoreboard
    number: int

    def heartbeat(self, connections: int) -> None:
        """Note that the process works, and how many connections it holds."""
        self.scoreboard.note(self.number, connections)

    def may_accept(self, connections: int) -> bool:
        """Return whether this process should accept the next connection."""
        fewest = self.scoreboard.fewest_connections(self.number)
        return fewest is None or connections <= fewest + slack(fewest)


def slack(fewest: int) -> int:
    """Return by how many connections a process may exceed the one with the fewest.

    It is proportional, so that a burst of hundreds is not accepted two at a time.
    """
    return 1 + fewest // 4
