"""Calls to the store that do not block the server's loop."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

from attrs import frozen

from orders_core import Call, OrderStore, Pending
from orders_http.server.loop import Loop

Done = Callable[[Sequence[object]], None]
"""Receives the results of a call, one for each item; if the call failed, each is the exception."""


@frozen(eq=False)
class _PendingCall:
    """A call that the store has begun, as the loop knows its socket."""

    pending: Pending
    ended: Callable[["_PendingCall"], None]

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None:
        if self.pending.proceed():
            self.ended(self)

    def handle_close(self) -> None:
        """Do nothing: the next read shows how the connection ended."""

    def close(self) -> None:
        """Do nothing: the store closes its connections."""


class StoreCalls:
    """Makes calls: the loop waits for their sockets if the store can begin them, else threads."""

    def __init__(
        self,
        store: OrderStore,
        loop: Loop,
        callbacks: deque[Callable[[], None]],
        wake: Callable[[], None],
        threads: int,
    ) -> None:
        """Prepare the threads.

        Args:
            store: The store.
            loop: The server's loop.
            callbacks: What the loop calls in its next pass; results are delivered there.
            wake: Wakes the loop for one pass.
            threads: How many calls may wait on threads at once.
        """
        self._store = store
        self._loop = loop
        self._callbacks = callbacks
        self._wake = wake
        self._threads = ThreadPoolExecutor(threads, "batch")
        self._pending: set[_PendingCall] = set()

    def make(self, call: Call, done: Done) -> None:
        """Make a call, and let the loop deliver its results to `done`."""
        try:
            pending = self._store.begin(call)
        except Exception as error:  # noqa: BLE001 - delivered
            done([error] * len(call.items))
            return
        if pending is None:
            self._threads.submit(self._run, call, done)
            return

        def ended(entry: _PendingCall) -> None:
            if pending.fileno() in self._loop:
                del self._loop[pending.fileno()]
            self._pending.discard(entry)
            self._callbacks.append(partial(self._deliver, call, pending, done))

        entry = _PendingCall(pending, ended)
        self._pending.add(entry)
        with suppress(OSError):
            # If the system has no room for another socket to wait for, `check` is enough.
            self._loop[pending.fileno()] = entry

    def check(self) -> None:
        """Let each pending call proceed, even if its socket is silent; called now and then."""
        for entry in tuple(self._pending):
            entry.handle_read_event()

    def shutdown(self) -> None:
        """Let the threads end when they have finished their calls; drop calls not begun."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _run(self, call: Call, done: Done) -> None:
        """Make a call that blocks, on a thread."""
        results: Sequence[object]
        try:
            results = call.run(self._store)
        except Exception as error:  # noqa: BLE001 - delivered
            results = [error] * len(call.items)
        self._callbacks.append(partial(done, results))
        self._wake()

    def _deliver(self, call: Call, pending: Pending, done: Done) -> None:
        """Deliver the results of a pending call; if its connection was lost, make it again."""
        results: Sequence[object] | None
        try:
            results = pending.results()
        except Exception as error:  # noqa: BLE001 - delivered
            results = [error] * len(call.items)
        if results is None:
            self._threads.submit(self._run, call, done)
        else:
            done(results)
