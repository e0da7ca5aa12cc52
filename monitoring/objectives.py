"""The service level objectives, in one place, and how fast their budgets may burn."""

from typing import Final

from attrs import frozen

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


@frozen
class Objective:
    """What share of requests must be good.

    Attributes:
        name: As in the names of rules: `availability`.
        title: As in the names of alerts: `Availability`.
        target: The share of good requests, below 1.
        promise: The objective in words.
    """

    name: str
    title: str
    target: float
    promise: str

    @property
    def budget(self) -> float:
        """The share of requests that may be bad."""
        return round(1 - self.target, 9)


@frozen
class Burn:
    """A pace at which an error budget is used up, and the windows in which it is measured.

    Attributes:
        factor: How many times faster than the budget allows; 1 uses it up exactly.
        long: The window that proves that it matters, in seconds.
        short: The window that proves that it still goes on, in seconds.
        lasts: How long it must have been so, in seconds.
        severity: Whether somebody must get up.
    """

    factor: float
    long: int
    short: int
    lasts: int
    severity: str


AVAILABILITY: Final = Objective(
    "availability", "Availability", 0.999, "99.9 % of requests are answered without a 5xx"
)
LATENCY: Final = Objective(
    "latency", "Latency", 0.99, "99 % of creates and of look-ups are answered within 100 ms"
)
OBJECTIVES: Final = (AVAILABILITY, LATENCY)

LATENCY_SECONDS: Final = 0.1
"""What is fast enough; a bound of the buckets of the histogram."""

PERIOD: Final = 30 * DAY
"""What the objectives are about, and an error budget lasts for."""

BURNS: Final = (
    Burn(14.4, HOUR, 5 * MINUTE, 2 * MINUTE, "critical"),
    Burn(6, 6 * HOUR, 30 * MINUTE, 15 * MINUTE, "critical"),
    Burn(3, DAY, 2 * HOUR, HOUR, "warning"),
    Burn(1, 3 * DAY, 6 * HOUR, 3 * HOUR, "warning"),
)

RUNBOOKS: Final = "https://github.com/orders-core/orders-core/blob/main/docs/runbooks"
"""Where the runbooks are to be read. Whoever keeps a copy elsewhere changes this line."""


def duration(seconds: float) -> str:
    """Write a time as Prometheus does, in the largest unit that leaves nothing: `5m`, `3d`."""
    for unit, length in (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", 1)):
        if seconds >= length and seconds % length == 0:
            return f"{int(seconds // length)}{unit}"
    return f"{int(seconds * 1000)}ms"
