"""Clients that retry by the contract, while PostgreSQL is shaken: nothing is lost or doubled."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from itertools import count
from random import Random
from threading import Event
from typing import Final

import pytest
from attrs import define, field

from tests.postgres_server import OrdersDatabase, PostgresServer, wait_until
from tests.service_process import RunningService, running_service

WRITERS: Final = 4
ORDERS_BETWEEN: Final = 50
SHAKES: Final = 3
# A database that was away is tried again after up to 30 seconds.
RECOVERY_SECONDS: Final = 90.0


@define
class Writer:
    """A client that posts orders one after the other, each until it is acknowledged."""

    service: RunningService
    seed: int
    acknowledged: list[tuple[str, str, int]] = field(factory=list)
    unexpected: list[tuple[str, int]] = field(factory=list)
    refusals: int = 0

    def write(self, stopped: Event) -> None:
        """Go on until told to stop."""
        random = Random(self.seed)  # noqa: S311 - an example, not a secret
        with closing(self.service.connect()) as connection:
            for number in count():
                # All writers place some orders together, hence the same amounts for the same ids.
                cents = random.randrange(3)
                order_id, amount = f"{number}-{cents}", f"{number}.{cents:02}"
                while not stopped.is_set():
                    status = self._post(connection, order_id, amount)
                    if status in {200, 201}:
                        self.acknowledged.append((order_id, amount, status))
                        break
                    if status == 503:
                        self.refusals += 1
                        stopped.wait(0.05)
                    else:
                        self.unexpected.append((order_id, status))
                        return
                if stopped.is_set():
                    return

    def _post(self, connection: HTTPConnection, order_id: str, amount: str) -> int:
        body = f'{{"id":"{order_id}","amount":{amount}}}'
        connection.request("POST", "/orders", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        if response.status == 503:
            assert response.getheader("Retry-After") == "1"
        return response.status


def wait_for_orders(writers: list[Writer]) -> None:
    """Wait until every writer has had some more orders acknowledged."""
    goals = [len(writer.acknowledged) + ORDERS_BETWEEN for writer in writers]

    def reached() -> bool:
        assert [each for writer in writers for each in writer.unexpected] == []
        return all(
            len(writer.acknowledged) >= goal for writer, goal in zip(writers, goals, strict=True)
        )

    wait_until(reached, RECOVERY_SECONDS)


def listed(service: RunningService) -> list[tuple[str, str]]:
    """List every order along the links, the amounts as they are written."""
    found: list[tuple[str, str]] = []
    target: str | None = "/orders?limit=100"
    with closing(service.connect()) as connection:
        while target is not None:
            connection.request("GET", target)
            response = connection.getresponse()
            assert response.status == 200
            orders = json.loads(response.read(), parse_float=str)
            found.extend((order["id"], order["amount"]) for order in orders)
            link = response.getheader("Link")
            target = None if link is None else link.partition(">")[0].removeprefix("<")
    return found


@contextmanager
def traffic(service: RunningService) -> Iterator[list[Writer]]:
    """Let clients post while the block runs; what they were told is held against the list."""
    stopped = Event()
    writers = [Writer(service, seed) for seed in range(WRITERS)]
    with ThreadPoolExecutor(WRITERS) as threads:
        running = [threads.submit(writer.write, stopped) for writer in writers]
        try:
            wait_for_orders(writers)
            yield writers
            wait_for_orders(writers)
        finally:
            stopped.set()
        for each in running:
            each.result()
    stored = listed(service)
    assert len(dict(stored)) == len(stored), "an order is there twice"
    created: Counter[str] = Counter()
    for writer in writers:
        assert writer.unexpected == []
        for order_id, amount, status in writer.acknowledged:
            assert dict(stored)[order_id] == amount
            created[order_id] += status == 201
    assert max(created.values()) == 1, "an order was created twice"


def end_sessions(database: OrdersDatabase, _writers: list[Writer]) -> None:
    database.end_sessions()


def restart(database: OrdersDatabase, _writers: list[Writer]) -> None:
    database.server.restart()


def stop_and_start(database: OrdersDatabase, writers: list[Writer]) -> None:
    before = [writer.refusals for writer in writers]
    database.server.stop()
    try:
        wait_until(
            lambda: all(
                writer.refusals > refusals for writer, refusals in zip(writers, before, strict=True)
            ),
        )
    finally:
        database.server.start()


@pytest.mark.parametrize("shake", [end_sessions, restart, stop_and_start])
def test_every_acknowledged_order_is_there_once_whatever_happens_to_postgresql(
    own_server: PostgresServer,
    shake: Callable[[OrdersDatabase, list[Writer]], None],
) -> None:
    database = own_server.new_database()
    url = own_server.url_text(database.name)
    with running_service(url) as service, traffic(service) as writers:
        for _ in range(SHAKES):
            shake(database, writers)
            wait_for_orders(writers)
