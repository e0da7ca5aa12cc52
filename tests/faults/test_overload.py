"""More work than the database can do: some is done, the rest is refused with a retry."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from threading import Event, Thread
from time import monotonic
from typing import Final

import pytest
from attrs import define, field

from tests.faults.footprint import Footprint, assert_not_grown
from tests.postgres_server import OrdersDatabase, PostgresServer, wait_until
from tests.service_process import RunningService, running_service

CLIENTS: Final = 500
SECONDS: Final = 5.0
_LOG: Final = logging.getLogger(__name__)

SLOW: Final = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_sleep(0.01); RETURN NEW; END $$;
CREATE TRIGGER slow BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION slow()
"""


@define
class Clients:
    """Clients that send one order after another, each on its own connection.

    Attributes:
        accepted: How many seconds each acknowledged order took, by its id.
        refused: The clients of which an order was refused.
        unexpected: All other answers.
        sent: The ids of all orders that were sent.
    """

    service: RunningService
    accepted: dict[str, float] = field(factory=dict)
    refused: set[int] = field(factory=set)
    unexpected: list[bytes] = field(factory=list)
    sent: set[str] = field(factory=set)

    def run(self, ended: Callable[[], bool] | None = None) -> None:
        """Send for some seconds, or until `ended`, and wait for the last answers."""
        until = monotonic() + SECONDS
        asyncio.run(self._run(ended or (lambda: monotonic() >= until)))

    def assert_kept(self, database: OrdersDatabase) -> None:
        """Prove that all acknowledged orders are stored, and nothing that was not sent."""
        assert self.unexpected == []
        stored = {order_id for order_id, _ in database.orders()}
        assert set(self.accepted) <= stored <= self.sent

    async def _run(self, ended: Callable[[], bool]) -> None:
        await asyncio.gather(*(self._send(name, ended) for name in range(CLIENTS)))

    async def _send(self, name: int, ended: Callable[[], bool]) -> None:
        reader, writer = await asyncio.open_connection(self.service.host, self.service.port)
        while not ended():
            order_id = f"{name}-{len(self.sent)}"
            self.sent.add(order_id)
            body = f'{{"id":"{order_id}","amount":1}}'
            begun = monotonic()
            writer.write(
                "POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}".encode(),
            )
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
            seconds = monotonic() - begun
            if head.startswith(b"http/1.1 201 "):
                self.accepted[order_id] = seconds
            elif head.startswith(b"http/1.1 503 ") and b"\r\nretry-after: 1\r\n" in head:
                self.refused.add(name)
                await asyncio.sleep(0.05)
            else:
                self.unexpected.append(head)
        writer.close()
        await writer.wait_closed()


@pytest.fixture
def slow_database(own_server: PostgresServer) -> Iterator[OrdersDatabase]:
    """A database that can store a hundred orders a second on each connection."""
    database = own_server.new_database()
    database.run(SLOW)
    yield database
    database.drop()


@pytest.fixture
def service(slow_database: OrdersDatabase) -> Iterator[RunningService]:
    url = slow_database.server.url_text(slow_database.name)
    with running_service(url, {"ORDERS_WORKERS": "2"}) as running:
        yield running


def test_under_overload_accepted_orders_are_stored_and_memory_stays_flat(
    service: RunningService,
    slow_database: OrdersDatabase,
) -> None:
    clients = Clients(service)
    clients.run()
    before = Footprint.of(service)
    clients.run()
    assert_not_grown(service, before)
    clients.assert_kept(slow_database)
    slowest = sorted(clients.accepted.values())[len(clients.accepted) * 99 // 100]
    _LOG.info(
        "accepted %d, 99 of 100 within %.2f s; %d of %d clients were refused",
        *(len(clients.accepted), slowest, len(clients.refused), CLIENTS),
    )


def test_every_client_is_told_to_retry_while_the_database_stores_nothing(
    service: RunningService,
    slow_database: OrdersDatabase,
) -> None:
    clients = Clients(service)
    ended = Event()
    load = Thread(target=clients.run, args=(ended.is_set,))
    load.start()
    try:
        wait_until(lambda: bool(clients.accepted))
        with closing(slow_database.server.connect(slow_database.name)) as other:
            other.run("BEGIN")
            other.run("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
            # However fast the machine is, no client waits until the lock is released.
            clients.refused.clear()
            wait_until(lambda: len(clients.refused) == CLIENTS)
            other.run("ROLLBACK")
        before = len(clients.accepted)
        wait_until(lambda: len(clients.accepted) > before)
    finally:
        ended.set()
        load.join()
    clients.assert_kept(slow_database)


def test_probes_are_answered_under_overload(service: RunningService) -> None:
    clients = Clients(service)
    load = Thread(target=clients.run)
    load.start()
    try:
        wait_until(lambda: bool(clients.accepted))
        while load.is_alive():
            with closing(service.connect_operations()) as probe:
                probe.request("GET", "/livez")
                assert probe.getresponse().status == 200
    finally:
        load.join()
