"""Clients that place orders on keep-alive connections, and record what was acknowledged."""

import json
from http.client import HTTPConnection, HTTPException
from threading import Event, Thread
from time import monotonic
from typing import Protocol

from orders_http.server.limits import DEFAULT_LIMITS

CLIENTS = 8
_AGAIN_SECONDS = 0.05


class Reachable(Protocol):
    """A service that clients can connect to."""

    def connect(self) -> HTTPConnection:
        """Open a client connection; the caller closes it."""


class Traffic:
    """Clients that post one order after another.

    Attributes:
        acknowledged: The amount of each acknowledged order, by id.
        refused: The orders that were answered with 503, and sent again.
        unexpected: Answers other than 503 and 201.
        broken: The errors that ended connections unexpectedly, one for each client at most.
    """

    def __init__(self, service: Reachable, name: str = "order") -> None:
        self.acknowledged: dict[str, str] = {}
        self.refused: list[str] = []
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

    def assert_each_created(self) -> None:
        """Prove that each order was created the first time it was sent, and none was cut off."""
        assert (self.refused, self.unexpected, self.broken) == ([], [], [])

    def _post(self, name: int) -> None:
        connection = self._service.connect()
        answered = monotonic()
        number, again = 0, False
        while not self._ending.is_set():
            order_id, amount = f"{self._name}-{name}-{number}", f"{number}.{name:02}"
            body = f'{{"id":"{order_id}","amount":{amount}}}'
            begun = monotonic()
            try:
                connection.request("POST", "/orders", body, {"Content-Type": "application/json"})
                response = connection.getresponse()
                response.read()
            except (HTTPException, OSError) as error:
                connection.close()
                if begun - answered < DEFAULT_LIMITS.drain_idle_seconds / 2:
                    self.broken.append(error)
                    break
                # A stopping server closes connections that are idle for this long.
                answered, again = monotonic(), True
                continue
            answered = monotonic()
            if response.status == 503:
                self.refused.append(order_id)
                again = True
                self._ending.wait(_AGAIN_SECONDS)
                continue
            if response.status == 201 or (again and response.status == 200):
                self.acknowledged[order_id] = amount
            else:
                self.unexpected.append((order_id, response.status))
            number, again = number + 1, False
        connection.close()


def stored(service: Reachable) -> dict[str, str]:
    """List every order, page by page, with the amounts as in the JSON."""
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
