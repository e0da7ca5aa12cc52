"""Clients that place orders on keep-alive connections, and what was acknowledged to them."""

import json
from http.client import HTTPConnection, HTTPException
from threading import Event, Thread
from typing import Protocol

CLIENTS = 8


class Reachable(Protocol):
    """A service that clients can connect to."""

    def connect(self) -> HTTPConnection:
        """Make a client; the caller closes it."""


class Traffic:
    """Clients that post one order after the other.

    Attributes:
        acknowledged: The amounts of the orders that were acknowledged, by id.
        unexpected: Answers other than 201.
        broken: For each client that has met it, the error that ended its connection.
    """

    def __init__(self, service: Reachable, name: str = "order") -> None:
        self.acknowledged: dict[str, str] = {}
        self.unexpected: list[tuple[str, int]] = []
        self.broken: list[Exception] = []
        self._service = service
        self._name = name
        self._ending = Event()
        self._threads = [Thread(target=self._post, args=(name,)) for name in range(CLIENTS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _post(self, name: int) -> None:
        connection = self._service.connect()
        for number in range(100_000):
            if self._ending.is_set():
                break
            order_id, amount = f"{self._name}-{name}-{number}", f"{number}.{name:02}"
            body = f'{{"id":"{order_id}","amount":{amount}}}'
            try:
                connection.request("POST", "/orders", body, {"Content-Type": "application/json"})
                response = connection.getresponse()
                response.read()
            except (HTTPException, OSError) as error:
                self.broken.append(error)
                break
            if response.status == 201:
                self.acknowledged[order_id] = amount
            else:
                self.unexpected.append((order_id, response.status))
        connection.close()


def stored(service: Reachable) -> dict[str, str]:
    """List every order, page by page, the amounts as they are written."""
    found: dict[str, str] = {}
    target = "/orders"
    connection = service.connect()
    while target:
        connection.request("GET", target)
        response = connection.getresponse()
        assert response.status == 200
        orders = json.loads(response.read(), parse_float=str)
        found |= {order["id"]: order["amount"] for order in orders}
        target = (response.getheader("Link") or "<>").partition("<")[2].partition(">")[0]
    connection.close()
    return found
