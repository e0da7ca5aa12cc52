"""The operations listener's server: no probe waits for a scrape.

The loop itself answers `/livez`. Threads ask the store for `/readyz`. Metrics are costly to write:
one thread writes them, once for all clients that asked before it began.
"""

import logging
import socket
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from orders_http.api.messages import Reply
from orders_http.api.operations import Operations, Probe, Scrape
from orders_http.api.problems import Problem
from orders_http.server.gathering import GatheringServer
from orders_http.server.loop import Loop
from orders_http.server.server import Server

_LOG: Final = logging.getLogger(__name__)

# One may wait for the store; the other gives the store's last answer.
_PROBING_THREADS: Final = 2
# Metrics are long: after so many answers the loop looks after its other clients.
_SCRAPES_AT_ONCE: Final = 16


class OperationsServer(Server):
    """The application of the operations listener, on a listening address."""

    channel_class = GatheringServer.channel_class

    def __init__(self, operations: Operations, sockets: Sequence[socket.socket]) -> None:
        """Take the sockets; requests wait until `run`.

        Args:
            operations: What answers.
            sockets: What is listened on; they are the server's to close.
        """
        self._operations = operations
        self._complete: deque[Any] = deque()
        self._scrapers: list[Any] = []
        self._scraped: deque[tuple[Any, Reply]] = deque()
        self._is_scraping = False
        self._probing = ThreadPoolExecutor(_PROBING_THREADS, "probe")
        self._scraping = ThreadPoolExecutor(1, "scrape")
        super().__init__(operations, sockets, self, None, Loop())

    def add_task(self, channel: Any) -> None:  # noqa: ANN401 - Waitress has no types
        """Take note of a connection on which a request is complete."""
        self._complete.append(channel)

    def shutdown(self, timeout: float) -> None:  # noqa: ARG002 - what Waitress would pass
        """End the threads when they have done what they do."""
        for threads in (self._probing, self._scraping):
            threads.shutdown(wait=False, cancel_futures=True)

    def _turn(self, seconds: float = 1.0) -> None:
        super()._turn(0.0 if self._scraped or self._complete else seconds)
        while self._complete:
            self._begin(self._complete.popleft())
        for _ in range(min(len(self._scraped), _SCRAPES_AT_ONCE)):
            channel, reply = self._scraped.popleft()
            channel.answer(reply)

    def _begin(self, channel: Any) -> None:  # noqa: ANN401
        if not channel.connected:
            channel.drop_requests()
            return
        environ = channel.environment()
        if environ is None:
            channel.refuse()
            return
        begun = self._operations.begin(environ)
        if isinstance(begun, Reply):
            channel.answer(begun)
        elif isinstance(begun, Probe):
            self._probing.submit(self._take, begun.run, channel.answer)
        else:
            self._scrapers.append(channel)
            self._scrape(begun)

    def _scrape(self, scrape: Scrape) -> None:
        """Begin to write the metrics for all who wait, unless a thread writes them already."""
        if self._is_scraping or not self._scrapers:
            return
        self._is_scraping = True
        channels, self._scrapers = self._scrapers, []

        def ended(reply: Reply) -> None:
            self._is_scraping = False
            self._scraped.extend((channel, reply) for channel in channels)
            # The loop is about to wait for clients, and answers scrapes behind that.
            self.wake()
            self._scrape(scrape)

        self._scraping.submit(self._take, scrape.run, ended)

    def _take(self, run: Callable[[], Reply], give: Callable[[Reply], None]) -> None:
        """Make an answer on a thread, and let the loop give it."""
        try:
            reply = run()
        except Exception:  # noqa: BLE001 - logged, and answered
            _LOG.exception("a request failed")
            reply = Reply.of_problem(Problem.defect())
        self.soon(partial(give, reply))
