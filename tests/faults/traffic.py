"""Clients that keep to the contract under every fault; their answers are checked with the store.

The contract: an order that is answered with 503, or not at all, may be sent again with the same id
and amount. 201 and 200 acknowledge it.
"""

import json
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from itertools import count
from random import Random
from threading import Event
from time import monotonic
from typing import Final, Generic, Protocol, TypeVar

from attrs import define, field, frozen

from tests.postgres_server import wait_until

WRITERS: Final = 8
ORDERS: Final = int(os.environ.get("FAULT_ORDERS", "1000"))
"""How many orders are acknowledged under each fault; `make soak` sets more."""
ORDERS_BETWEEN: Final = 500
"""How many orders are acknowledged between two faults."""
RECOVERY_SECONDS: Final = 5.0
"""Within how many seconds of a repair every writer is served again."""

# The machine may be busy with other work.
_PATIENCE_SECONDS: Final = 3.0
_LONGEST_SECONDS: Final = 60.0
_CLIENT_SECONDS: Final = 10.0
# Less than Retry-After asks for: harder for the service.
_AGAIN_SECONDS: Final = 0.05
_JSON: Final = {"Content-Type": "application/json"}
_LOG: Final = logging.getLogger(__name__)


class Service(Protocol):
    """What the writers need of a service, wherever it runs."""

    def connect(self, timeout: float = ...) -> HTTPConnection:
        """Open a client connection; the caller closes it."""

    def errors(self) -> str:
        """Read what the service wrote to standard error."""


ServiceT = TypeVar("ServiceT", bound=Service)


@frozen
class _Answer:
    status: int
    replayed: bool
    body: bytes


@define
class Writer:
    """A client that sends one request after another, and repeats each until it is answered.

    Attributes:
        sent: The amount of each order that was sent, by its id.
        acknowledged: The same for each order that was acknowledged.
        created: The ids that were answered with 201, once for each such answer.
        requests: How many requests it has sent.
        refused: The body of each 503.
        interruptions: How often a connection ended without an answer.
        last_begun: When the last request that was not refused was sent, by the monotonic clock.
        unexpected: Answers that violate the contract.
    """

    _service: Service
    _name: int
    _random: Random
    _pause_seconds: float = 0.0
    sent: dict[str, str] = field(factory=dict)
    acknowledged: dict[str, str] = field(factory=dict)
    created: list[str] = field(factory=list)
    requests: int = 0
    refused: list[bytes] = field(factory=list)
    interruptions: int = 0
    last_begun: float = 0.0
    unexpected: list[str] = field(factory=list)
    _connection: HTTPConnection | None = None
    _known: list[str] = field(factory=list)

    def write(self, stopped: Event) -> None:
        """Send requests until told to stop."""
        try:
            for number in count():
                if stopped.wait(self._pause_seconds):
                    return
                kind = self._random.random()
                if kind < 0.8 or not self._known:
                    # All writers place every fifth order.
                    owner = "all" if number % 5 == 0 else str(self._name)
                    self._place(f"{owner}-{number}", f"{number}.{number % 4 * 25:02}", stopped)
                else:
                    order_id = self._random.choice(self._known)
                    again = self._look_up if kind < 0.9 else self._place_again
                    again(order_id, self.acknowledged[order_id], stopped)
        finally:
            self._hang_up()

    def _place(self, order_id: str, amount: str, stopped: Event) -> None:
        self.sent[order_id] = amount
        answer = self._answered("POST", "/orders", _body(order_id, amount), stopped)
        if answer is None:
            return
        if answer.status not in {200, 201} or answer.replayed is (answer.status == 201):
            self.unexpected.append(f"{order_id} {amount}: {answer}")
            return
        if answer.status == 201:
            self.created.append(order_id)
        self._known.append(order_id)
        self.acknowledged[order_id] = amount

    def _place_again(self, order_id: str, amount: str, stopped: Event) -> None:
        """Send an acknowledged order again, unchanged or with another amount."""
        other = self._random.random() < 0.5
        body = _body(order_id, f"1{amount}" if other else amount)
        answer = self._answered("POST", "/orders", body, stopped)
        expected = (409, False) if other else (200, True)
        if answer is not None and (answer.status, answer.replayed) != expected:
            self.unexpected.append(f"{order_id} {amount}, again: {answer}")

    def _look_up(self, order_id: str, amount: str, stopped: Event) -> None:
        answer = self._answered("GET", f"/orders/{order_id}", None, stopped)
        expected = {"id": order_id, "amount": amount}
        if answer is None:
            return
        if answer.status != 200 or json.loads(answer.body, parse_float=str) != expected:
            self.unexpected.append(f"{order_id} {amount}, looked up: {answer}")

    def _answered(
        self, method: str, target: str, body: str | None, stopped: Event
    ) -> _Answer | None:
        """Repeat a request until the answer is not 503; None if told to stop before that."""
        while not stopped.is_set():
            begun = monotonic()
            self.requests += 1
            try:
                answer = self._ask(method, target, body)
            except (HTTPException, OSError):
                self.interruptions += 1
                self._hang_up()
            else:
                if answer.status != 503:
                    self.last_begun = begun
                    return answer
                self.refused.append(answer.body)
            stopped.wait(_AGAIN_SECONDS)
        return None

    def _ask(self, method: str, target: str, body: str | None) -> _Answer:
        connection = self._connection
        if connection is None:
            connection = self._service.connect(_CLIENT_SECONDS)
            self._connection = connection
        connection.request(method, target, body, _JSON)
        response = connection.getresponse()
        content = response.read()
        if response.status == 503 and response.getheader("Retry-After") != "1":
            self.unexpected.append(f"503 with Retry-After {response.getheader('Retry-After')}")
        replayed = response.getheader("Idempotent-Replayed") == "true"
        return _Answer(response.status, replayed, content)

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _body(order_id: str, amount: str) -> str:
    return f'{{"id":"{order_id}","amount":{amount}}}'


@frozen
class Traffic(Generic[ServiceT]):
    """All writers together. `traffic` makes one."""

    service: ServiceT
    writers: Sequence[Writer]

    @property
    def acknowledged(self) -> Mapping[str, str]:
        """The amounts of the orders that were acknowledged, by their ids."""
        # Each is copied in one step, because the writers keep running.
        return _joined(dict(writer.acknowledged) for writer in self.writers)

    @property
    def sent(self) -> Mapping[str, str]:
        """The amounts of the orders that were sent, by their ids."""
        return _joined(dict(writer.sent) for writer in self.writers)

    @property
    def requests(self) -> int:
        """How many requests the writers have begun."""
        return sum(writer.requests for writer in self.writers)

    @property
    def refusals(self) -> int:
        """How often a writer was answered with 503."""
        return sum(len(writer.refused) for writer in self.writers)

    @property
    def interruptions(self) -> int:
        """How often a writer's connection ended without an answer."""
        return sum(writer.interruptions for writer in self.writers)

    def assert_expected(self) -> None:
        """Prove that the service has kept the contract so far."""
        unexpected = [each for writer in self.writers for each in writer.unexpected]
        assert unexpected == [], f"{unexpected[:5]}\n{self._complaints()}"

    def assert_all_answered(self) -> None:
        """Prove that every request was answered, and none refused."""
        assert (self.refusals, self.interruptions) == (0, 0), self._complaints()
        _LOG.info("of %d requests, 0 failed", self.requests)

    def wait_for_orders(self, more: int = ORDERS_BETWEEN) -> None:
        """Wait until this many more orders have been acknowledged."""
        goal = len(self.acknowledged) + more
        self._wait_until(lambda: len(self.acknowledged) >= goal)

    def wait_for_refusals(self, more: int = WRITERS) -> None:
        """Wait until this many more requests have been answered with 503."""
        goal = self.refusals + more
        self._wait_until(lambda: self.refusals >= goal)

    def wait_for_interruptions(self, more: int = 1) -> None:
        """Wait until this many more connections have ended without an answer."""
        goal = self.interruptions + more
        self._wait_until(lambda: self.interruptions >= goal)

    def wait_for_recovery(self, seconds: float = RECOVERY_SECONDS + _PATIENCE_SECONDS) -> None:
        """Wait, for a limited time, until every writer has been served again."""
        mended = monotonic()
        self._wait_until(
            lambda: all(writer.last_begun > mended for writer in self.writers),
            seconds,
        )
        _LOG.info("recovered %.2f s after the repair", monotonic() - mended)

    def _complaints(self) -> str:
        """Return the last refusals, and the last unusual lines of the log."""
        refused = [body.decode() for writer in self.writers for body in writer.refused[-5:]]
        lines = self.service.errors().splitlines()
        unusual = "\n".join(
            line for line in lines if '"level": "info"' not in line or '"status": 5' in line
        )
        return f"{refused}\n{unusual[-20_000:]}"

    def _wait_until(self, ready: Callable[[], bool], seconds: float = _LONGEST_SECONDS) -> None:
        def checked() -> bool:
            self.assert_expected()
            return ready()

        wait_until(checked, seconds)

    def assert_kept(self, stored: Sequence[tuple[str, str]]) -> None:
        """Prove that the store holds every acknowledged order once, and nothing that was not sent.

        Args:
            stored: The id and the amount of every order in the store.
        """
        self.assert_expected()
        amounts = dict(stored)
        acknowledged, sent = self.acknowledged, self.sent
        created = Counter(order_id for writer in self.writers for order_id in writer.created)
        missing = {each for each in acknowledged if amounts.get(each) != acknowledged[each]}
        phantom = {each for each in amounts if amounts[each] != sent.get(each)}
        doubled = {each for each, times in created.items() if times > 1}
        assert (missing, doubled, phantom) == (set(), set(), set())
        assert len(amounts) == len(stored), "an order is there twice"
        assert "Traceback" not in self.service.errors(), self.service.errors()
        _LOG.info(
            "requests %d, acknowledged %d, missing, doubled and phantom 0; refused %d, "
            "not answered %d",
            *(self.requests, len(acknowledged), self.refusals, self.interruptions),
        )


def _joined(parts: Iterator[dict[str, str]]) -> dict[str, str]:
    return {order_id: amount for part in parts for order_id, amount in part.items()}


@contextmanager
def traffic(service: ServiceT, pause_seconds: float = 0.0) -> Iterator[Traffic[ServiceT]]:
    """Run the writers during the block.

    Args:
        service: The service that they use.
        pause_seconds: How long each waits between two requests.
    """
    stopped = Event()
    writers = [
        Writer(service, name, Random(name), pause_seconds)  # noqa: S311 - no secret
        for name in range(WRITERS)
    ]
    with ThreadPoolExecutor(WRITERS) as threads:
        running = [threads.submit(writer.write, stopped) for writer in writers]
        try:
            yield Traffic(service, writers)
        finally:
            stopped.set()
        for each in running:
            each.result()
