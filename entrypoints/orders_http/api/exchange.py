"""An HTTP exchange: a request in progress, up to its reply.

A handler that needs the store is a coroutine: it yields a step and receives its result. Whoever
drives it may run each step by itself, as the WSGI application does, or gather the calls of many
requests into one, as the server does; the handler cannot tell the difference.
"""

from collections.abc import Callable, Generator
from typing import Any, Literal

from attrs import frozen

from orders_core import Call, OrderStore
from orders_http.api.http_messages import Reply

WorkKind = Literal["read", "write"]


@frozen
class Work:
    """Something slow that cannot be gathered; its result is a `Reply`.

    Attributes:
        run: The function to run.
        kind: What it does with the store. Work of one kind does not wait for work of another.
    """

    run: Callable[[], Reply]
    kind: WorkKind = "read"


Step = Call | Work
"""What a request needs next: a call of the store with one item, or work."""

ReplyCoroutine = Generator[Step, Any, Reply]


class Exchange:
    """A request in progress.

    Attributes:
        awaits: The step whose result is needed next; None once there is a reply.
        reply: The reply, once no step is awaited.
    """

    __slots__ = ("_coroutine", "awaits", "reply")

    awaits: Step | None
    reply: Reply

    def __init__(self, coroutine: ReplyCoroutine) -> None:
        """Run up to the first step, or to the reply when there is none."""
        self._coroutine = coroutine
        self.resume(None)

    def resume(self, result: object) -> None:
        """Continue with the result of the awaited step."""
        try:
            self.awaits = self._coroutine.send(result)
        except StopIteration as end:
            self.awaits, self.reply = None, end.value

    def fail(self, error: Exception) -> None:
        """Continue after the awaited step failed."""
        try:
            self.awaits = self._coroutine.throw(error)
        except StopIteration as end:
            self.awaits, self.reply = None, end.value

    def run(self, store: OrderStore) -> Reply:
        """Run every step by itself, and return the reply."""
        while self.awaits is not None:
            try:
                result = run_step(self.awaits, store)
            except Exception as error:  # noqa: BLE001 - the coroutine handles it
                self.fail(error)
            else:
                self.resume(result)
        return self.reply


def run_step(step: Step, store: OrderStore) -> object:
    """Run one step by itself and return its result.

    Raises:
        Problem: The work refused the request.
        StoreUnavailable: The store failed.
    """
    if isinstance(step, Work):
        return step.run()
    (result,) = step.run(store)
    return result
