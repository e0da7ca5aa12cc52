"""One request on its way to its reply, with the store's work left to whoever drives it.

A handler that needs one order stored or looked up yields a step and goes on with its result. A
driver may take each step by itself, as the WSGI application does, or gather the steps of many
requests into one batch, as the server does; the handler cannot tell which.
"""

from collections.abc import Callable, Collection, Generator
from typing import Any, Literal, Protocol

from attrs import frozen

from orders_core import Call, OrderStore
from orders_http.api.messages import Reply

WorkKind = Literal["read", "write"]


@frozen
class Work:
    """Do something that may take its time, and cannot be gathered; a `Reply` is the result.

    Attributes:
        run: What is done.
        kind: What it may wait for. Work of one kind does not wait for work of another.
    """

    run: Callable[[], Reply]
    kind: WorkKind = "read"


Step = Call | Work
"""What a request needs done next: a call with one item, whose result it gets, or work."""

Steps = Generator[Step, Any, Reply]


class RequestObserver(Protocol):
    """Hears of every request on its way, for metrics. Several threads may tell it something."""

    def request_begun(self) -> None:
        """Take note of a request that has arrived at the application."""

    def request_answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Take note of the answer to a request that was begun.

        Args:
            route: The template of the path, such as `/orders/<id>`; `(none)` when none matched.
            method: The method, `(other)` when it is none that is served anywhere.
            status: The status code of the answer.
            seconds: From the request's arrival at the application to its answer.
        """

    def request_shed(self, reason: Literal["busy", "deadline"]) -> None:
        """Take note of a request that is refused for having waited too long.

        Args:
            reason: `busy` when its work had not begun in time, `deadline` when it took too long
                in all.
        """

    def batch_begun(
        self, operation: Literal["add", "get", "page"], waits: Collection[float]
    ) -> None:
        """Take note of a batch that is handed to the store.

        Args:
            operation: What the store is asked for.
            waits: For each request in it, the seconds that it has waited.
        """

    def work_begun(self, wait: float) -> None:
        """Take note of work that a thread takes up, after so many seconds of waiting."""

    def connections_open(self, count: int) -> None:
        """Take note of how many connections clients have now."""


class Unobserved:
    """Takes note of nothing."""

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


class Exchange:
    """A request that was begun.

    Attributes:
        awaits: The step whose result is needed next; None when there is a reply.
        reply: The reply, once nothing is awaited.
    """

    __slots__ = ("_steps", "awaits", "reply")

    awaits: Step | None
    reply: Reply

    def __init__(self, steps: Steps) -> None:
        """Go to the first step, or to the reply when there is none."""
        self._steps = steps
        self.resume(None)

    def resume(self, result: object) -> None:
        """Go on with the result of the step that is awaited."""
        try:
            self.awaits = self._steps.send(result)
        except StopIteration as end:
            self.awaits, self.reply = None, end.value

    def fail(self, error: Exception) -> None:
        """Go on without a result: the step could not be taken."""
        try:
            self.awaits = self._steps.throw(error)
        except StopIteration as end:
            self.awaits, self.reply = None, end.value

    def run(self, store: OrderStore) -> Reply:
        """Take every step by itself, and give the reply."""
        while self.awaits is not None:
            try:
                result = run_step(self.awaits, store)
            except Exception as error:  # noqa: BLE001 - the steps answer for it
                self.fail(error)
            else:
                self.resume(result)
        return self.reply


def run_step(step: Step, store: OrderStore) -> object:
    """Do one step by itself and give its result.

    Raises:
        Problem: The work refused the request.
        StoreUnavailable: The store cannot do it.
    """
    if isinstance(step, Work):
        return step.run()
    (result,) = step.run(store)
    return result
