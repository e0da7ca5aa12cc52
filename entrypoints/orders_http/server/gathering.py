"""The server that makes the application fast: it gathers requests for the store into batches.

Waitress hands each complete request to a thread. Here the server's own loop begins each request,
and what the requests ask of the store is gathered: while one batch of creates or of look-ups is
under way, the next one collects. Nothing waits for a batch to fill; on an idle server a batch is
one request. If the store can begin a batch, the loop waits for the store's socket too; otherwise a
thread waits. Work that cannot be gathered, such as bulk requests and pages, goes to a few threads.
Reading and writing have separate threads: no look-up, list or page waits behind a blocked writer.

A request's way: `loop` sees that its connection is readable, `connections` and `parsing` read it,
`Gatherer.run_once` begins it, its steps wait in a `Batcher`, `StoreCalls` makes the batch's call,
and `LoopConnection.answer` sends the reply.
"""

import logging
import socket
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from orders_core import (
    AddOrders,
    Call,
    GetOrders,
    OrderStore,
    ReadPages,
    Reason,
    StoreUnavailable,
)
from orders_http.api.application import Application
from orders_http.api.exchange import Exchange, Work, WorkKind
from orders_http.api.http_messages import Reply
from orders_http.api.problems import Problem
from orders_http.server.batcher import ActiveRequest, Answerable, Batcher, max_queue_seconds
from orders_http.server.connections import LoopConnection
from orders_http.server.limits import DEFAULT_LIMITS, Limits
from orders_http.server.loop import Loop
from orders_http.server.scoreboard import Slot
from orders_http.server.server import Server
from orders_http.server.store_calls import StoreCalls

_LOG: Final = logging.getLogger(__name__)

WORK_THREADS: Final[Mapping[WorkKind, int]] = {"read": 3, "write": 2}
"""Threads for each kind of work that cannot be gathered.

With one batch of each of three kinds they use eight connections, which is what a store has.
"""

_TICK_SECONDS: Final = 0.1


class Gatherer:
    """Answers a server's requests; Waitress would call it a task dispatcher.

    What needs no store, and what the store can begin without waiting, happens in the server's
    loop. Other steps run on threads.
    """

    def __init__(
        self,
        application: Application,
        store: OrderStore,
        loop: Loop,
        wake: Callable[[], None],
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        """Prepare the batches and the threads.

        Args:
            application: Begins the requests.
            store: The store that their steps need.
            loop: The server's loop.
            wake: Wakes the loop for one pass. It is called from other threads.
            limits: The server's limits.
        """
        self._application = application
        self._wake = wake
        self._clock = loop.time
        self._limits = limits
        self._complete: deque[Answerable] = deque()
        size = limits.max_batch_size
        self._batchers: Mapping[type[Call], Batcher] = {
            AddOrders: Batcher(AddOrders, limits, size),
            GetOrders: Batcher(GetOrders, limits, size),
            ReadPages: Batcher(ReadPages, limits, limits.max_page_batch_size),
        }
        self._active: set[ActiveRequest] = set()
        self._last_tick = loop.time()
        # What to call in the next pass; other threads append to it.
        self._callbacks: deque[Callable[[], None]] = deque()
        # A thread for each batcher, which has one batch under way: the store sees one writer.
        threads = len(self._batchers)
        self._store_calls = StoreCalls(store, loop, self._callbacks, wake, threads)
        self._work_threads: Mapping[WorkKind, ThreadPoolExecutor] = {
            kind: ThreadPoolExecutor(count, kind) for kind, count in WORK_THREADS.items()
        }
        self._work_durations: dict[WorkKind, float] = dict.fromkeys(WORK_THREADS, 0.0)

    def next_timeout(self, timeout: float) -> float:
        """Return how long the loop may wait for events, in seconds, at most `timeout`."""
        if not self._active:
            return timeout
        timeout = min(timeout, _TICK_SECONDS)
        for batcher in self._batchers.values():
            if batcher.queue and not batcher.busy:
                timeout = min(timeout, max(0.0, batcher.rests_until - self._clock()))
        return timeout

    def add_task(self, connection: Answerable) -> None:
        """Note a connection on which a request is complete."""
        self._complete.append(connection)

    def run_once(self) -> None:
        """Send the replies that are ready, begin complete requests, begin the next batches."""
        now = self._clock()
        ticks = bool(self._active) and now - self._last_tick >= _TICK_SECONDS
        if ticks:
            self._last_tick = now
            self._store_calls.check()
        while self._callbacks:
            self._callbacks.popleft()()
        while self._complete:
            self._begin(self._complete.popleft())
        for batcher in self._batchers.values():
            if batcher.is_ready(now):
                self._begin_batch(batcher)
        if ticks:
            # Last: after a stall of the process, whatever can proceed does so first.
            self._refuse_late(now)

    def shutdown(self, timeout: float) -> None:  # noqa: ARG002 - what Waitress would pass
        """Let the threads end when they have finished their work; drop work not begun."""
        self._store_calls.shutdown()
        for threads in self._work_threads.values():
            threads.shutdown(wait=False, cancel_futures=True)

    def _begin(self, connection: Answerable) -> None:
        try:
            environ = connection.open_request()
            if environ is None:
                return
            exchange = self._application.begin(environ)
        except Exception:  # noqa: BLE001 - logged, and answered
            connection.answer(_defect())
        else:
            self._continue(connection, exchange, self._clock())

    def _continue(self, connection: Answerable, exchange: Exchange, begun: float) -> None:
        """Answer a request, or let it wait for its next step."""
        step = exchange.awaits
        if step is None:
            connection.answer(exchange.reply)
            return
        request = ActiveRequest(connection, exchange, step, begun)
        self._active.add(request)
        if isinstance(step, Work):
            self._work_threads[step.kind].submit(self._run_work, request, step)
        else:
            self._batchers[type(step)].queue.append(request)

    def _resume(self, request: ActiveRequest, result: object) -> None:
        """Give a request the result of its step; an exception makes the step fail."""
        if request not in self._active:
            return  # It was refused in the meantime.
        self._active.remove(request)
        exchange = request.exchange
        try:
            if isinstance(result, Exception):
                exchange.fail(result)
            else:
                exchange.resume(result)
        except Exception:  # noqa: BLE001 - logged, and answered
            request.connection.answer(_defect())
        else:
            self._continue(request.connection, exchange, request.begun)

    def _refuse_late(self, now: float) -> None:
        """Refuse requests that have queued, or been under way, for too long."""
        observer = self._application.observer
        shed = {
            each
            for each in self._active
            if isinstance(each.step, Work)
            and not each.on_thread
            and now - each.begun > self._max_work_queue_seconds(each.step.kind)
        }
        for batcher in self._batchers.values():
            earliest = now - batcher.max_queue_seconds
            shed |= {each for each in batcher.queue if each.begun < earliest}
            batcher.queue = [each for each in batcher.queue if each not in shed]
        earliest = now - self._limits.request_seconds
        late = {each for each in self._active if each.begun < earliest}
        for request in shed | late:
            observer.request_shed("busy" if request in shed else "deadline")
            self._resume(request, _too_busy())

    def _max_work_queue_seconds(self, kind: WorkKind) -> float:
        """Return how long work of a kind may wait for a thread before it is refused."""
        far = max_queue_seconds(self._work_durations[kind], self._limits)
        return max(self._limits.shed_seconds, far)

    def _run_work(self, request: ActiveRequest, work: Work) -> None:
        """Run work on a thread of its kind."""
        request.on_thread = True
        if request not in self._active:
            return  # It was refused in the meantime.
        begun = self._clock()
        result: object
        try:
            self._application.observer.work_begun(begun - request.begun)
            result = work.run()
        except Exception as error:  # noqa: BLE001 - the request handles it
            result = error
        self._work_durations[work.kind] = self._clock() - begun
        self._callbacks.append(partial(self._resume, request, result))
        self._wake()

    def _begin_batch(self, batcher: Batcher) -> None:
        now = self._clock()
        batch = batcher.next_batch(now)
        waits = [now - request.begun for request in batch]
        self._application.observer.batch_begun(batcher.call.operation, waits)
        self._store_calls.make(batcher.join(batch), partial(self._end_batch, batcher, batch))

    def _end_batch(
        self, batcher: Batcher, batch: Sequence[ActiveRequest], results: Sequence[object]
    ) -> None:
        batcher.end_batch(len(batch), self._clock())
        for request, result in zip(batch, results, strict=True):
            self._resume(request, result)


def _too_busy() -> StoreUnavailable:
    return StoreUnavailable(Reason.EXHAUSTED, "the store was busy for too long")


def _defect() -> Reply:
    """Log a defect, and return the reply to the request that met it."""
    _LOG.exception("a request failed")
    return Reply.of_problem(Problem.defect())


class GatheringServer(Server):
    """An application on listening sockets, answered by a `Gatherer`."""

    connection_class = LoopConnection

    def __init__(
        self,
        application: Application,
        store: OrderStore,
        sockets: Sequence[socket.socket],
        slot: Slot | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        """Listen; requests wait until `run`.

        Args:
            application: Answers the requests.
            store: The application's store.
            sockets: The listening sockets; the server closes them.
            slot: The server's slot among those that accept from the same sockets; None if it is
                the only one.
            limits: The server's limits.
        """
        super().__init__(slot, limits)
        self._observer = application.observer
        self._gatherer = Gatherer(application, store, self._loop, self.wake, limits)
        self._listen(application, sockets, self._gatherer)

    def _run_once(self, timeout: float = 1.0) -> None:
        super()._run_once(self._gatherer.next_timeout(timeout))
        self._gatherer.run_once()
        self._observer.connections_open(self.connections)
