"""The server that makes the application fast: one batch for all that waits for the store.

Waitress hands each complete request to a thread. Here requests are begun in the server's own
loop, and what they ask of the store is gathered: while one batch of creates or of look-ups is under
way, the next one collects. Nothing waits for a batch to fill; on an idle server a batch is one
request. When the store can begin a batch, the loop waits for the store's socket too; else a thread
takes it. Work that cannot be gathered, such as bulk and pages, goes to a few threads. Reading and
writing have threads of their own: no look-up, list or page waits behind a blocked writer.

A request's way: `loop` sees that its connection has something to read, `connections` and `parsing`
read it, `Gatherer.turn` begins it (`app`) and lets its steps wait in a `Batcher`, a batch ends, and
`_GatheredChannel.answer` sends the reply.
"""

import logging
import socket
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, Final

from attrs import frozen

from orders_core import (
    AddOrders,
    Call,
    GetOrders,
    OrderStore,
    Pending,
    ReadPages,
    Reason,
    StoreUnavailable,
)
from orders_http.api.application import Application
from orders_http.api.exchange import Exchange, Work, WorkKind
from orders_http.api.messages import Reply
from orders_http.api.problems import Problem
from orders_http.server.batches import Batcher, Waiting, queue_seconds
from orders_http.server.connections import LoopConnection
from orders_http.server.limits import DEFAULT_LIMITS, Limits
from orders_http.server.loop import Loop
from orders_http.server.scoreboard import Slot
from orders_http.server.server import Server

_LOG: Final = logging.getLogger(__name__)

WORK_THREADS: Final[Mapping[WorkKind, int]] = {"read": 3, "write": 2}
"""Threads for each kind of work that cannot be gathered.

With one batch of each of three kinds they use eight connections, which is what a store has.
"""

_TICK_SECONDS: Final = 0.1


@frozen(eq=False)
class _Awaited:
    """A batch that the store has begun, as the loop knows its sockets."""

    pending: Pending
    ended: Callable[["_Awaited"], None]

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None:
        if self.pending.proceed():
            self.ended(self)

    def handle_close(self) -> None:
        """Leave it to reading, which tells how the connection ended."""

    def close(self) -> None:
        """Leave it to the store."""


class Gatherer:
    """Answers requests for a server; Waitress calls such a thing its task dispatcher.

    What the store can begin without waiting, and what takes none of it, happens in the server's
    loop. Other steps are taken on threads.
    """

    def __init__(
        self,
        application: Application,
        store: OrderStore,
        loop: Loop,
        wake: Callable[[], None],
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        """Take what answers.

        Args:
            application: Begins the requests.
            store: Takes their steps.
            loop: The server's loop.
            wake: Lets the server's loop turn once. It is called from other threads.
            limits: The server's limits.
        """
        self._application = application
        self._loop = loop
        self._wake = wake
        self._clock = loop.time
        self._limits = limits
        self._complete: deque[Any] = deque()
        self._store = store
        size = limits.max_batch_size
        self._batchers: Mapping[type[Call], Batcher] = {
            AddOrders: Batcher(AddOrders, limits, size),
            GetOrders: Batcher(GetOrders, limits, size),
            ReadPages: Batcher(ReadPages, limits, limits.max_page_batch_size),
        }
        self._awaited: set[_Awaited] = set()
        self._under_way: set[Waiting] = set()
        self._looked = loop.time()
        # What is to be done at the next turn; other threads hand it over.
        self._taken: deque[Callable[[], None]] = deque()
        # One for each batcher, which has one batch under way: the store sees one writer.
        self._batches = ThreadPoolExecutor(len(self._batchers), "batch")
        self._workers: Mapping[WorkKind, ThreadPoolExecutor] = {
            kind: ThreadPoolExecutor(count, kind) for kind, count in WORK_THREADS.items()
        }
        self._work_durations: dict[WorkKind, float] = dict.fromkeys(WORK_THREADS, 0.0)

    def due_within(self, seconds: float) -> float:
        """Tell in how many seconds to turn at the latest, when nothing happens before that."""
        if not self._under_way:
            return seconds
        seconds = min(seconds, _TICK_SECONDS)
        for batcher in self._batchers.values():
            if batcher.gathered and not batcher.busy:
                seconds = min(seconds, max(0.0, batcher.rests_until - self._clock()))
        return seconds

    def add_task(self, channel: Any) -> None:  # noqa: ANN401 - Waitress has no types
        """Take note of a connection on which a request is complete."""
        self._complete.append(channel)

    def turn(self) -> None:
        """Send the replies that are ready, begin what is complete, hand a batch on."""
        now = self._clock()
        looks = bool(self._under_way) and now - self._looked >= _TICK_SECONDS
        if looks:
            self._looked = now
            for awaited in tuple(self._awaited):
                # Nothing may have come for too long.
                awaited.handle_read_event()
        while self._taken:
            self._taken.popleft()()
        while self._complete:
            self._begin(self._complete.popleft())
        for batcher in self._batchers.values():
            if batcher.is_ready(now):
                self._begin_batch(batcher)
        if looks:
            # Last of all: after the process itself stood still, what can go on does so.
            self._refuse_late(now)

    def shutdown(self, timeout: float) -> None:  # noqa: ARG002 - what Waitress would pass
        """End the threads when they have done what they do; what waits for them is dropped."""
        for threads in (self._batches, *self._workers.values()):
            threads.shutdown(wait=False, cancel_futures=True)

    def _begin(self, channel: Any) -> None:  # noqa: ANN401 - Waitress has no types
        try:
            environ = channel.open_request()
            if environ is None:
                return
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
        waiting = Waiting(channel, exchange, exchange.awaits, begun)
        self._under_way.add(waiting)
        step = waiting.step
        if isinstance(step, Work):
            self._workers[step.kind].submit(self._take_work, waiting, step)
        else:
            self._batchers[type(step)].gathered.append(waiting)

    def _give(self, waiting: Waiting, result: object) -> None:
        """Give a request what came of its step: a result, or the error in its place."""
        if waiting not in self._under_way:
            return  # It was refused meanwhile.
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

    def _refuse_late(self, now: float) -> None:
        """Refuse what has waited for the store, or been under way, for too long."""
        observer = self._application.observer
        shed = {
            each
            for each in self._under_way
            if isinstance(each.step, Work)
            and not each.on_thread
            and now - each.begun > self._patience(each.step.kind)
        }
        for batcher in self._batchers.values():
            shed |= {each for each in batcher.gathered if now - each.begun > batcher.patience}
            batcher.gathered = [each for each in batcher.gathered if each not in shed]
        late = {each for each in self._under_way if now - each.begun > self._limits.request_seconds}
        for waiting in shed | late:
            observer.request_shed("busy" if waiting in shed else "deadline")
            self._give(waiting, _too_busy())

    def _patience(self, kind: WorkKind) -> float:
        """How long work of a kind may wait for a thread, in seconds, before it is refused."""
        limits = self._limits
        return max(limits.shed_seconds, queue_seconds(self._work_durations[kind], limits))

    def _take_work(self, waiting: Waiting, work: Work) -> None:
        """Do work on a thread of its kind."""
        waiting.on_thread = True
        if waiting not in self._under_way:
            return  # It was refused meanwhile.
        begun = self._clock()
        result: object
        try:
            self._application.observer.work_begun(begun - waiting.begun)
            result = work.run()
        except Exception as error:  # noqa: BLE001 - the loop answers for it
            result = error
        self._work_durations[work.kind] = self._clock() - begun
        self._hand_back(lambda: self._give(waiting, result))

    def _begin_batch(self, batcher: Batcher) -> None:
        """Let the store begin a batch of all that is gathered, or a thread take it."""
        now = self._clock()
        batch = batcher.next_batch(now)
        waits = [now - waiting.begun for waiting in batch]
        self._application.observer.batch_begun(batcher.call.operation, waits)
        call = batcher.joined(batch)
        try:
            pending = self._store.begin(call)
        except Exception as error:  # noqa: BLE001 - answered for each
            self._give_batch(batcher, batch, [error] * len(batch))
            return
        if pending is None:
            self._batches.submit(self._run_batch, batcher, batch, call)
            return

        def ended(awaited: _Awaited) -> None:
            if pending.fileno() in self._loop:
                del self._loop[pending.fileno()]
            self._awaited.discard(awaited)
            self._taken.append(partial(self._end_batch, batcher, batch, call, pending))

        awaited = _Awaited(pending, ended)
        self._awaited.add(awaited)
        with suppress(OSError):
            # Where the system has no room to wait for it, each tick looks after it.
            self._loop[pending.fileno()] = awaited

    def _run_batch(self, batcher: Batcher, batch: Sequence[Waiting], call: Call) -> None:
        """Make a call that waits, on a thread of the batches."""
        results: Sequence[object]
        try:
            results = call.run(self._store)
        except Exception as error:  # noqa: BLE001 - the loop answers for it
            results = [error] * len(batch)
        self._hand_back(partial(self._give_batch, batcher, batch, results))

    def _end_batch(
        self, batcher: Batcher, batch: Sequence[Waiting], call: Call, pending: Pending
    ) -> None:
        """Give each request its result; when the connection was lost, make the call again."""
        results: Sequence[object] | None
        try:
            results = pending.results()
        except Exception as error:  # noqa: BLE001 - answered for each
            results = [error] * len(batch)
        if results is None:
            self._batches.submit(self._run_batch, batcher, batch, call)
        else:
            self._give_batch(batcher, batch, results)

    def _give_batch(
        self, batcher: Batcher, batch: Sequence[Waiting], results: Sequence[object]
    ) -> None:
        batcher.end_batch(len(batch), self._clock())
        for waiting, result in zip(batch, results, strict=True):
            self._give(waiting, result)

    def _hand_back(self, give: Callable[[], None]) -> None:
        self._taken.append(give)
        self._wake()


def _too_busy() -> StoreUnavailable:
    return StoreUnavailable(Reason.EXHAUSTED, "the store was busy for too long")


def _defect() -> Reply:
    """Answer for a defect of ours, and log it."""
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
        self._observer = application.observer
        super().__init__(slot, limits)
        self._gatherer = Gatherer(application, store, self._loop, self.wake, limits)
        self._listen(application, sockets, self._gatherer)

    def _run_once(self, timeout: float = 1.0) -> None:
        super()._run_once(self._gatherer.due_within(timeout))
        self._gatherer.turn()
        self._observer.connections_open(self.connections)
