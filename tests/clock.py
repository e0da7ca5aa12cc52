"""A clock for code that accepts one."""

from attrs import define


@define
class Clock:
    """A clock that a test sets.

    Attributes:
        seconds: What it shows.
    """

    seconds: float = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.seconds
