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
from time import monotonic
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
from orders_http.server.batches import SHED_SECONDS, Batcher, Waiting, wait_for_far_store
from orders_http.server.connections import Channel
from orders_http.server.loop import Loop
from orders_http.server.response_head import CLOSED, head_of
from orders_http.server.roster import Place
from orders_http.server.server import Server

_LOG: Final = logging.getLogger(__name__)

DEADLINE_SECONDS: Final = 6.0
"""How long a request may take in all before it is refused."""

PAGES: Final = 16
"""How many lists are read at once at most: each may hold 500 orders."""

WORK_THREADS: Final[Mapping[WorkKind, int]] = {"read": 3, "write": 2}
"""Threads for each kind of work that cannot be gathered.

With one batch of each of three kinds they use eight connections, which is what a store has.
"""

_TICK_SECONDS: Final = 0.1
_UNPREFIXED: Final = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})


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
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Take what answers.

        Args:
            application: Begins the requests.
            store: Takes their steps.
            loop: The server's loop.
            wake: Lets the server's loop turn once. It is called from other threads.
            clock: Gives the time in seconds, from any beginning.
        """
        self._application = application
        self._loop = loop
        self._wake = wake
        self._clock = clock
        self._complete: deque[Any] = deque()
        self._store = store
        self._batchers: Mapping[type[Call], Batcher] = {
            AddOrders: Batcher(AddOrders),
            GetOrders: Batcher(GetOrders),
            ReadPages: Batcher(ReadPages, max_batch_size=PAGES),
        }
        self._awaited: set[_Awaited] = set()
        self._under_way: set[Waiting] = set()
        self._looked = clock()
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
        if not channel.connected:
            channel.drop_requests()
            return
        try:
            environ = channel.environment()
            if environ is None:
                channel.refuse()
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
        late = {each for each in self._under_way if now - each.begun > DEADLINE_SECONDS}
        for waiting in shed | late:
            observer.request_shed("busy" if waiting in shed else "deadline")
            self._give(waiting, _too_busy())

    def _patience(self, kind: WorkKind) -> float:
        """How long work of a kind may wait for a thread, in seconds, before it is refused."""
        return max(SHED_SECONDS, wait_for_far_store(self._work_durations[kind]))

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


class _GatheredChannel(Channel):
    """A connection whose requests a `Gatherer` answers, one after the other."""

    _next_waits = False

    def environment(self) -> dict[str, Any] | None:
        """Give the environment of the first request that waits; None when it was refused.

        It holds what an `Application` reads of a WSGI environment.
        """
        request = self.requests[0]
        if request.error:
            return None
        path = request.path
        environ = {
            "REQUEST_METHOD": request.command,
            "SCRIPT_NAME": "",
            # As Waitress does: many slashes in front are one.
            "PATH_INFO": "/" + path.lstrip("/") if path[:1] == "/" else path,
            "QUERY_STRING": request.query,
            "REMOTE_ADDR": self.addr[0],
            "wsgi.input": request.get_body_stream(),
            "wsgi.input_terminated": True,
        }
        for name, value in request.headers.items():
            environ[name if name in _UNPREFIXED else f"HTTP_{name}"] = value
        return environ

    def refuse(self) -> None:
        """Answer the first request that waits, which Waitress or the parser refused."""
        self.service()
        self._see_to_the_rest()

    def answer(self, reply: Reply) -> None:
        """Reply to the first request that waits; a failure ends this connection and no other."""
        try:
            self._answer(reply)
        except Exception:  # noqa: BLE001 - logged, and the connection closed
            _LOG.exception("a reply could not be sent")
            self.handle_close()

    def _answer(self, reply: Reply) -> None:
        """Send the reply, at once as far as it goes."""
        request = self.requests[0]
        asked = request.headers.get("CONNECTION", "").lower()
        closes = asked == "close" or self.server.draining
        if request.version == "1.0":
            closes = closes or asked != "keep-alive" or reply.content_type is None
        head = head_of(reply, request.version, CLOSED if closes else self.server.kept)
        # In one piece: one call of the kernel, and one packet.
        self._send(head if request.command == "HEAD" else head + reply.body)
        self._end_request(request, closes=closes)
        self._see_to_the_rest()

    def _send(self, content: bytes) -> None:
        # As a rule nothing waits to be sent: a request begins when the reply before it is taken.
        sent = 0 if self.total_outbufs_len else self.send(content)
        self._active = monotonic()
        if self.connected and sent < len(content):
            self.write_soon(content[sent:])

    def _end_request(self, request: Any, *, closes: bool) -> None:  # noqa: ANN401
        """Do what Waitress's `service` does when a request is answered."""
        if closes or not self.connected:
            self.close_when_flushed = True
            self.drop_requests()
            return
        request.close()
        self.requests.pop(0)
        self._next_waits = bool(self.requests)
        if self._next_waits:
            return
        if self.request is not None and self.request.expect_continue and not self.sent_continue:
            # It could not be sent in front of the answer.
            self.send_continue()

    def drop_requests(self) -> None:
        """Forget the requests: their client is gone, or they come after the last one."""
        for each in self.requests:
            each.close()
        self.requests = []

    def handle_write(self) -> None:
        """Send what waits, or close, or begin the next request."""
        # Waitress leaves little to the thread that goes on writing; here is none.
        if self.connected and self.total_outbufs_len:
            self._flush_exception(self._flush_some)
        if self.connected:
            super().handle_write()
        self._begin_next()

    def _begin_next(self) -> None:
        """Begin the next request that is there, once the client has taken the reply before it.

        Else a client that sends many requests and reads nothing would fill the memory.
        """
        if self._next_waits and self.connected and not self.total_outbufs_len:
            self._next_waits = False
            self.server.add_task(self)

    def _see_to_the_rest(self) -> None:
        """Send what is left, or close, or let the loop wait for what there is to wait for."""
        if self.connected and self.total_outbufs_len:
            self._flush_exception(self._flush_some)
        self._begin_next()
        if self._fileno is not None:
            self._map.ask(self._fileno)


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
        loop = Loop()
        self._gatherer = Gatherer(application, store, loop, self.wake)
        super().__init__(application, sockets, self._gatherer, place, loop)

    def _turn(self, seconds: float = 1.0) -> None:
        super()._turn(self._gatherer.due_within(seconds))
        self._gatherer.turn()
        self._observer.connections_open(self.connections)
