"""The server that makes the application fast: one batch for all that waits for the store.

Waitress hands each complete request to a thread. Here requests are begun in the server's own
loop, and what they ask of the store is gathered: while one batch is under way, on a thread of its
own, the next one collects. Nothing waits for a batch to fill; on an idle server a batch is one
request. Work that cannot be gathered, such as lists, bulk and pages, goes to a few threads.
"""

import logging
import socket
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any, Final, Literal

from attrs import define

from orders_core import OrderStore, Reason, StoreUnavailable
from orders_http.app import Application
from orders_http.connections import Channel, Task
from orders_http.exchange import Add, Exchange, Get, Step, Work, taken
from orders_http.messages import Reply
from orders_http.problems import Problem, ProblemType
from orders_http.roster import Place
from orders_http.server import Server

_LOG: Final = logging.getLogger(__name__)

SHED_SECONDS: Final = 1.0
"""How long a request waits for the store to be free before it is refused."""

DEADLINE_SECONDS: Final = 6.0
"""How long a request may take in all before it is refused."""

WORKERS: Final = 4
"""Threads for what cannot be gathered."""

_TICK_SECONDS: Final = 0.1


@define(eq=False)
class _Waiting:
    """A request whose step is not taken yet.

    Attributes:
        channel: Where the reply goes.
        exchange: The request.
        step: The step that it waits for.
        begun: When it was begun, by the monotonic clock.
        refused: Whether it was refused before the step was taken.
    """

    channel: Any
    exchange: Exchange
    step: Step
    begun: float
    refused: bool = False


class Gatherer:
    """Answers requests for a server; Waitress calls such a thing its task dispatcher.

    Steps are taken on threads of its own. Everything else happens in the server's loop.
    """

    def __init__(
        self,
        application: Application,
        store: OrderStore,
        wake: Callable[[], None],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Take what answers.

        Args:
            application: Begins the requests.
            store: Takes their steps.
            wake: Lets the server's loop turn once. It is called from other threads.
            clock: Gives the time in seconds, from any beginning.
        """
        self._application = application
        self._store = store
        self._wake = wake
        self._clock = clock
        self._complete: deque[Any] = deque()
        self._gathered: list[_Waiting] = []
        self._under_way: set[_Waiting] = set()
        self._batch_under_way = False
        # What other threads hand back to the loop.
        self._taken: deque[Callable[[], None]] = deque()
        self._batches = ThreadPoolExecutor(1, "batch")
        self._workers = ThreadPoolExecutor(WORKERS, "work")

    @property
    def waits(self) -> bool:
        """Whether any request waits for the store."""
        return bool(self._under_way)

    def add_task(self, channel: Any) -> None:  # noqa: ANN401 - Waitress has no types
        """Take note of a connection on which a request is complete."""
        self._complete.append(channel)

    def turn(self) -> None:
        """Send the replies that are ready, begin what is complete, hand a batch on."""
        while self._taken:
            self._taken.popleft()()
        while self._complete:
            self._begin(self._complete.popleft())
        if self._gathered and not self._batch_under_way:
            batch, self._gathered = self._gathered, []
            self._batch_under_way = True
            self._batches.submit(self._take_batch, batch)
        if self._under_way:
            self._refuse_late()

    def shutdown(self, timeout: float) -> None:  # noqa: ARG002 - what Waitress would pass
        """End the threads when they have done what they do; what waits for them is dropped."""
        for threads in (self._batches, self._workers):
            threads.shutdown(wait=False, cancel_futures=True)

    def _begin(self, channel: Any) -> None:  # noqa: ANN401 - Waitress has no types
        environ = channel.environment()
        if environ is None:
            channel.service()
            return
        try:
            exchange = self._application.begin(environ)
        except Exception:  # noqa: BLE001 - logged, and answered
            channel.answer(_defect())
        else:
            self._go_on(channel, exchange, self._clock())

    def _go_on(self, channel: Any, exchange: Exchange, begun: float) -> None:  # noqa: ANN401
        """Answer a request, or let it wait for its next step."""
        if exchange.awaits is None:
            channel.answer(exchange.reply)
            return
        waiting = _Waiting(channel, exchange, exchange.awaits, begun)
        self._under_way.add(waiting)
        if isinstance(waiting.step, Work):
            self._workers.submit(self._take_work, waiting)
        else:
            self._gathered.append(waiting)

    def _give(self, waiting: _Waiting, result: object) -> None:
        """Give a request what came of its step: a result, or the error in its place."""
        if waiting.refused:
            return
        self._under_way.remove(waiting)
        exchange = waiting.exchange
        try:
            if isinstance(result, Exception):
                exchange.fail(result)
            else:
                exchange.resume(result)
        except Exception:  # noqa: BLE001 - logged, and answered
            waiting.channel.answer(_defect())
        else:
            self._go_on(waiting.channel, exchange, waiting.begun)

    def _refuse_late(self) -> None:
        """Refuse what has waited for the store, or been under way, for too long."""
        now = self._clock()
        observer = self._application.observer
        shed = {each for each in self._gathered if now - each.begun > SHED_SECONDS}
        self._gathered = [each for each in self._gathered if each not in shed]
        late = {each for each in self._under_way if now - each.begun > DEADLINE_SECONDS}
        for waiting in shed | late:
            observer.request_shed("busy" if waiting in shed else "deadline")
            self._give(waiting, _too_busy())
            waiting.refused = True

    def _take_work(self, waiting: _Waiting) -> None:
        """Take one step on a thread of the few."""
        result: object
        try:
            waited = self._clock() - waiting.begun
            self._application.observer.work_begun(waited)
            if waited > SHED_SECONDS:
                self._application.observer.request_shed("busy")
                result = _too_busy()
            else:
                result = taken(waiting.step, self._store)
        except Exception as error:  # noqa: BLE001 - the loop answers for it
            result = error
        self._hand_back(lambda: self._give(waiting, result))

    def _take_batch(self, batch: Sequence[_Waiting]) -> None:
        """Take the steps of many requests at once, on the batches' thread."""
        adds = [(each, each.step.order) for each in batch if isinstance(each.step, Add)]
        gets = [(each, each.step.id) for each in batch if isinstance(each.step, Get)]
        self._observe_batch("add", adds)
        self._observe_batch("get", gets)
        outcomes = _together(self._store.add, [order for _, order in adds])
        orders = _together(self._store.get, [order_id for _, order_id in gets])
        taken_together = [each for each, _ in adds] + [each for each, _ in gets]

        def give() -> None:
            self._batch_under_way = False
            for waiting, result in zip(taken_together, [*outcomes, *orders], strict=True):
                self._give(waiting, result)

        self._hand_back(give)

    def _observe_batch(
        self, operation: Literal["add", "get"], batch: Sequence[tuple[_Waiting, object]]
    ) -> None:
        now = self._clock()
        if batch:
            waits = [now - waiting.begun for waiting, _ in batch]
            self._application.observer.batch_begun(operation, waits)

    def _hand_back(self, give: Callable[[], None]) -> None:
        self._taken.append(give)
        self._wake()


def _together(
    take: Callable[[Sequence[Any]], Sequence[object]], asked: Sequence[Any]
) -> list[object]:
    """Ask the store once for many; when it fails, each gets the error."""
    if not asked:
        return []
    try:
        return list(take(asked))
    except Exception as error:  # noqa: BLE001 - the loop answers for it
        return [error] * len(asked)


def _too_busy() -> StoreUnavailable:
    return StoreUnavailable(Reason.EXHAUSTED, "the store was busy for too long")


def _defect() -> Reply:
    """Answer for a defect of ours, and log it."""
    _LOG.exception("a request failed")
    problem = Problem(ProblemType.INTERNAL_ERROR, ProblemType.INTERNAL_ERROR.title)
    return Reply.of_problem(problem)


class _ReplyTask(Task):
    """Sends a reply that is there already."""

    def execute(self) -> None:
        reply = self.channel.reply
        self.status = f"{reply.status.value} {reply.status.phrase}"
        self.response_headers = reply.header_list()
        self.complete = True
        self.content_length = None if reply.content_type is None else len(reply.body)
        body = b"" if self.request.command == "HEAD" else reply.body
        head = self.build_response_header()
        self.wrote_header = True
        # In one piece: one call of the kernel, and one packet.
        self.channel.write_soon(head + body)


class _GatheredChannel(Channel):
    """A connection whose requests a `Gatherer` answers."""

    task_class = _ReplyTask
    reply: Reply

    def environment(self) -> Any:  # noqa: ANN401 - a WSGI environment
        """Give the environment of the first request that waits; None when it was refused."""
        request = self.requests[0]
        return None if request.error else Task(self, request).get_environment()

    def answer(self, reply: Reply) -> None:
        """Send the reply to the first request that waits, at once as far as it goes."""
        self.reply = reply
        self.service()
        if self.connected and self.total_outbufs_len:
            self._flush_exception(self._flush_some)


class GatheringServer(Server):
    """An application on a listening address, answered by a `Gatherer`."""

    channel_class = _GatheredChannel

    def __init__(
        self,
        application: Application,
        store: OrderStore,
        sockets: Sequence[socket.socket],
        place: Place | None = None,
    ) -> None:
        """Take the sockets; requests wait until `run`.

        Args:
            application: What answers.
            store: The store under it.
            sockets: What is listened on; they are the server's to close.
            place: The server's place among those that accept from the same sockets; None when
                it is alone.
        """
        self._observer = application.observer
        self._gatherer = Gatherer(application, store, self.wake)
        super().__init__(application, sockets, self._gatherer, place)

    def _turn(self, seconds: float = 1.0) -> None:
        super()._turn(min(seconds, _TICK_SECONDS) if self._gatherer.waits else seconds)
        self._gatherer.turn()
        self._observer.connections_open(self.connections)
