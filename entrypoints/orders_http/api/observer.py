"""The observer of requests: the interface through which metrics are counted."""

from collections.abc import Collection
from typing import Literal, Protocol


class RequestObserver(Protocol):
    """Receives the events of every request, for metrics. Several threads may call it."""

    def request_begun(self) -> None:
        """A request arrived at the application."""

    def request_answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request was answered.

        Args:
            route: The path's template, such as `/orders/<id>`; `(none)` when no route matches.
            method: The method; `(other)` when no route has it.
            status: The status code of the answer.
            seconds: Time from the request's arrival at the application to its answer.
        """

    def request_shed(self, reason: Literal["busy", "deadline"]) -> None:
        """A request was refused because it had waited too long.

        Args:
            reason: `busy` when its work had not begun in time, `deadline` when it took too long
                in total.
        """

    def batch_begun(
        self, operation: Literal["add", "get", "page"], waits: Collection[float]
    ) -> None:
        """A batch of requests goes to the store.

        Args:
            operation: The store's operation.
            waits: The seconds that each request has waited.
        """

    def work_begun(self, wait: float) -> None:
        """A thread begins a request's work, after it has waited some seconds."""

    def connections_open(self, count: int) -> None:
        """The number of open client connections changed."""


class Unobserved:
    """An observer that ignores everything."""

    def request_begun(self) -> None:
        """See `RequestObserver`."""

    def request_answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """See `RequestObserver`."""

    def request_shed(self, reason: Literal["busy", "deadline"]) -> None:
        """See `RequestObserver`."""

    def batch_begun(
        self, operation: Literal["add", "get", "page"], waits: Collection[float]
    ) -> None:
        """See `RequestObserver`."""

    def work_begun(self, wait: float) -> None:
        """See `RequestObserver`."""

    def connections_open(self, count: int) -> None:
        """See `RequestObserver`."""
