"""Clients that are gone before their answer: nobody is harmed, and the log says nothing of them."""

import json
import socket
import struct
from collections.abc import Mapping
from typing import Any

import pytest

from tests.http.hostile_requests import HOST, get, head, post
from tests.http.wire import HEALTH, only_response
from tests.service_process import RunningService

CLIENTS = 300
AT_ONCE = struct.pack("ii", 1, 0)
ASKING = head("POST /orders HTTP/1.1", HOST, "Content-Length: 9", "Expect: 100-continue")


def told(service: RunningService) -> list[Mapping[str, Any]]:
    """Give the lines of the log that tell of anything but requests and the start."""
    lines = [json.loads(line) for line in service.errors().splitlines()]
    return [line for line in lines if line["message"] not in {"request", "serving"}]


def reset_after(address: tuple[str, int], raw: bytes) -> None:
    """Send bytes, and reset the connection at once, as a client does that is killed."""
    with socket.create_connection(address) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        client.sendall(raw)


@pytest.mark.parametrize(
    "raw",
    [
        get("/health"),
        get("/orders/gone"),
        get("/orders"),
        get("/"),
        post('{"id":"gone","amount":1}'),
        get("/health") * 3 + get("/orders/gone") * 3,
        get("/orders/gone") + ASKING,
        ASKING,
        b"x\r\n\r\n",
        get("/health")[:-2],
        b"",
    ],
)
def test_clients_that_reset_after_a_request_are_no_errors(
    service: RunningService, raw: bytes
) -> None:
    for _ in range(CLIENTS):
        reset_after((service.host, service.port), raw)
    assert only_response(service, HEALTH).status == 200
    assert told(service) == []


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/nothing"])
def test_probes_that_reset_are_no_errors(sqlite_service: RunningService, path: str) -> None:
    address = sqlite_service.host, sqlite_service.operations_port
    for _ in range(CLIENTS):
        reset_after(address, get(path))
    client = sqlite_service.connect_operations()
    client.request("GET", "/livez")
    assert client.getresponse().status == 200
    client.close()
    assert told(sqlite_service) == []
