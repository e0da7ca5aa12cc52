"""The operations listener's server, in which no probe waits for a scrape.

The loop itself answers `/livez`. Threads ask the store for `/readyz`. Metrics take long to write:
one thread writes them, once for all clients that asked before it began.
"""

import logging
import socket
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from orders_http.api.http_messages import Reply
from orders_http.api.operations import Operations, Probe, Scrape
from orders_http.api.problems import Problem
from orders_http.server.connections import LoopConnection
from orders_http.server.limits import DEFAULT_LIMITS, Limits
from orders_http.server.server import Server

_LOG: Final = logging.getLogger(__name__)

# One may wait for the store; the other returns the store's last answer.
_PROBING_THREADS: Final = 2
# Metrics are long: after this many answers the loop serves its other clients.
_SCRAPES_AT_ONCE: Final = 16


class OperationsServer(Server):
    """The application of the operations listener, on listening sockets."""

    connection_class = LoopConnection

    def __init__(
        self,
        operations: Operations,
        sockets: Sequence[socket.socket],
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        """Listen; requests wait until `run`.

        Args:
            operations: Answers the requests.
            sockets: The listening sockets; the server closes them.
            limits: The server's limits.
        """
        self._operations = operations
        self._complete: deque[LoopConnection] = deque()
        self._scrapers: list[LoopConnection] = []
        self._scraped: deque[tuple[LoopConnection, Reply]] = deque()
        self._is_scraping = False
        self._probing = ThreadPoolExecutor(_PROBING_THREADS, "probe")
        self._scraping = ThreadPoolExecutor(1, "scrape")
        super().__init__(None, limits)
        self._listen(operations, sockets, self)

    def add_task(self, connection: LoopConnection) -> None:
        """Note a connection on which a request is complete."""
        self._complete.append(connection)

    def shutdown(self, timeout: float) -> None:  # noqa: ARG002 - what Waitress would pass
        """Let the threads end when they have finished their work."""
        for threads in (self._probing, self._scraping):
            threads.shutdown(wait=False, cancel_futures=True)

    def _run_once(self, timeout: float = 1.0) -> None:
        super()._run_once(0.0 if self._scraped or self._complete else timeout)
        while self._complete:
            self._begin(self._complete.popleft())
        for _ in range(min(len(self._scraped), _SCRAPES_AT_ONCE)):
            connection, reply = self._scraped.popleft()
            connection.answer(reply)

    def _begin(self, connection: LoopConnection) -> None:
        environ = connection.open_request()
        if environ is None:
            return
        begun = self._operations.begin(environ)
        if isinstance(begun, Reply):
            connection.answer(begun)
        elif isinstance(begun, Probe):
            self._probing.submit(self._run, begun.run, connection.answer)
        else:
            self._scrapers.append(connection)
            self._scrape(begun)

    def _scrape(self, scrape: Scrape) -> None:
        """Begin to write the metrics for all waiting clients, unless a thread is writing them."""
        if self._is_scraping or not self._scrapers:
            return
        self._is_scraping = True
        connections, self._scrapers = self._scrapers, []

        def ended(reply: Reply) -> None:
            self._is_scraping = False
            self._scraped.extend((connection, reply) for connection in connections)
            # The loop is about to wait for events; it answers scrapes only after that.
            self.wake()
            self._scrape(scrape)

        self._scraping.submit(self._run, scrape.run, ended)

    def _run(self, run: Callable[[], Reply], done: Callable[[Reply], None]) -> None:
        """Make a reply on a thread, and let the loop send it."""
        try:
            reply = run()
        except Exception:  # noqa: BLE001 - logged, and answered
            _LOG.exception("a request failed")
            reply = Reply.of_problem(Problem.defect())
        self.call_soon(partial(done, reply))
