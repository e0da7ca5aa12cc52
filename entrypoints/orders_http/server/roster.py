"""What the workers know of each other: how many connections each holds, and that it is well.

The figures lie in memory that all processes share. Each worker writes its own and reads those of
the others, so that a worker with many connections leaves the next one to a worker with few: left
to itself, the kernel gives nearly all to one.
"""

import mmap
import time
from collections.abc import Callable
from typing import Final

from attrs import frozen

_STALE_SECONDS: Final = 3.0
_FIGURE_BYTES: Final = 8
_FIGURES: Final = 2
_CONNECTIONS, _TURNED = range(_FIGURES)


class Roster:
    """The places of a fixed number of processes. Made before they are forked."""

    def __init__(self, places: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Make the places, all without connections.

        Args:
            places: How many processes there are.
            clock: The time in seconds, the same for all processes.
        """
        self.clock = clock
        self.places = places
        memory = mmap.mmap(-1, (places * _FIGURES + 1) * _FIGURE_BYTES)
        self._figures = memoryview(memory).cast("d")

    def place(self, number: int) -> "Place":
        """Give the place of one process, counted from 0."""
        return Place(self, number)

    @property
    def stopping(self) -> bool:
        """Whether the service is on its way out."""
        return self._figures[-1] != 0

    def stop(self) -> None:
        """Let every process know that the service is on its way out."""
        self._figures[-1] = 1.0

    def turned(self, number: int) -> float:
        """Tell when the loop of a process turned last; 0 when it never did."""
        return self._figures[number * _FIGURES + _TURNED]

    def connections(self, number: int) -> int:
        """Tell how many connections a process holds."""
        return int(self._figures[number * _FIGURES + _CONNECTIONS])

    def note(self, number: int, connections: int) -> None:
        """Take note that the loop of a process turned, and of its connections."""
        self._figures[number * _FIGURES + _CONNECTIONS] = connections
        self._figures[number * _FIGURES + _TURNED] = self.clock()

    def leave(self, number: int) -> None:
        """Take note that a process has ended: nobody leaves a connection to it."""
        self._figures[number * _FIGURES + _TURNED] = 0.0

    def fewest(self, other_than: int) -> int | None:
        """Tell how many connections the other process with the fewest holds.

        A process whose loop does not turn is passed over. None when there is no other.
        """
        since = self.clock() - _STALE_SECONDS
        return min(
            (
                self.connections(number)
                for number in range(self.places)
                if number != other_than and self.turned(number) > since
            ),
            default=None,
        )


@frozen
class Place:
    """One process's place in a roster.

    Attributes:
        roster: The roster.
        number: Which place.
    """

    roster: Roster
    number: int

    def turned(self, connections: int) -> None:
        """Say that the loop turned, and how many connections there are."""
        self.roster.note(self.number, connections)

    def may_accept(self, connections: int) -> bool:
        """Tell whether the next connection is for this process to take."""
        fewest = self.roster.fewest(self.number)
        return fewest is None or connections <= fewest + slack(fewest)


def slack(fewest: int) -> int:
    """Tell by how many connections a process may be ahead of the one with the fewest.

    In proportion: when hundreds come at once, none waits for the others after every two.
    """
    return 1 + fewest // 4
