"""The service level objectives, and the burn rates that trigger alerts."""

from typing import Final

from attrs import frozen

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


@frozen
class Objective:
    """A service level objective: the share of requests that must be good.

    Attributes:
        name: The name in recording rules, such as `availability`.
        title: The name in alerts, such as `Availability`.
        target: The share of good requests, below 1.
        promise: The objective in words.
    """

    name: str
    title: str
    target: float
    promise: str

    @property
    def budget(self) -> float:
        """The error budget: the share of requests that may be bad."""
        return round(1 - self.target, 9)


@frozen
class Burn:
    """A burn rate of an error budget, and the windows over which it is measured.

    Attributes:
        factor: The burn rate; 1 uses the budget up exactly.
        long: The window that shows that the burn is significant, in seconds.
        short: The window that shows that the burn continues, in seconds.
        for_seconds: How long both must hold before the alert fires.
        severity: The alert's severity.
    """

    factor: float
    long: int
    short: int
    for_seconds: int
    severity: str


AVAILABILITY: Final = Objective(
    "availability", "Availability", 0.999, "99.9 % of requests are answered without a 5xx"
)
LATENCY: Final = Objective(
    "latency", "Latency", 0.99, "99 % of creates and of look-ups are answered within 100 ms"
)
OBJECTIVES: Final = (AVAILABILITY, LATENCY)

LATENCY_SECONDS: Final = 0.1
"""The latency objective's limit; a bucket bound of the histogram."""

PERIOD: Final = 30 * DAY
"""The period of the objectives and their error budgets."""

BURNS: Final = (
    Burn(14.4, HOUR, 5 * MINUTE, 2 * MINUTE, "critical"),
    Burn(6, 6 * HOUR, 30 * MINUTE, 15 * MINUTE, "critical"),
    Burn(3, DAY, 2 * HOUR, HOUR, "warning"),
    Burn(1, 3 * DAY, 6 * HOUR, 3 * HOUR, "warning"),
)

RUNBOOKS: Final = "https://github.com/orders-core/orders-core/blob/main/docs/runbooks"
"""The URL of the runbooks. Change it if you publish a copy elsewhere."""


def duration(seconds: float) -> str:
    """Format a time for Prometheus in the largest unit without a remainder: `5m`, `3d`."""
    for unit, length in (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", 1)):
        if seconds >= length and seconds % length == 0:
            return f"{int(seconds // length)}{unit}"
    return f"{int(seconds * 1000)}ms"
