"""Clients that send a mix of requests."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from itertools import count
from threading import Event, Thread
from typing import Final

from tests.service_process import RunningService

CLIENTS: Final = 4
_JSON: Final = {"Content-Type": "application/json"}
_PAUSE_SECONDS: Final = 0.02


@contextmanager
def load(service: RunningService) -> Iterator[None]:
    """Send requests to a service while the block runs."""
    ended = Event()
    clients = [Thread(target=_work, args=(service, name, ended)) for name in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        yield
    finally:
        ended.set()
        for client in clients:
            client.join()


def _work(service: RunningService, name: int, ended: Event) -> None:
    for number in count():
        if ended.wait(_PAUSE_SECONDS):
            return
        # Keep going while the service is briefly unavailable.
        with suppress(OSError, HTTPException):
            _round(service, f"{name}-{number}")


def _round(service: RunningService, order_id: str) -> None:
    connection = service.connect()
    try:
        for amount in (1, 1, 2):  # created, replayed, conflict
            body = json.dumps({"id": order_id, "amount": amount})
            connection.request("POST", "/orders", body, _JSON)
            connection.getresponse().read()
        for target in (f"/orders/{order_id}", "/orders/nothing", "/orders?limit=20", "/"):
            _get(connection, target)
    finally:
        connection.close()


def _get(connection: HTTPConnection, target: str) -> None:
    connection.request("GET", target)
    connection.getresponse().read()
