"""Clients that leave before their answer harm no other, and are not logged."""

import errno
import json
import os
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest

from orders_http.api.application import HttpSettings, create_app
from orders_http.api.hosts import HostRule
from orders_http.server.gathering import GatheringServer
from orders_http.server.listening_sockets import listen
from orders_memory import MemoryStore
from tests.http.hostile_requests import HOST, get, head, post
from tests.http.wire import HEALTH, connected_to, only_response
from tests.service_process import RunningService, served

CLIENTS = 300
AT_ONCE = struct.pack("ii", 1, 0)
ASKING = head("POST /orders HTTP/1.1", HOST, "Content-Length: 9", "Expect: 100-continue")


def unusual_lines(service: RunningService) -> list[Mapping[str, Any]]:
    """Return the log lines other than requests and the start."""
    lines = [json.loads(line) for line in service.errors().splitlines()]
    return [line for line in lines if line["message"] not in {"request", "serving"}]


def reset_after(address: tuple[str, int], raw: bytes) -> None:
    """Send bytes, and reset the connection at once, as a killed client does."""
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
def test_clients_that_reset_after_a_request_are_not_logged(
    service: RunningService, raw: bytes
) -> None:
    for _ in range(CLIENTS):
        reset_after((service.host, service.port), raw)
    assert only_response(service, HEALTH).status == 200
    assert unusual_lines(service) == []


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/nothing"])
def test_probes_that_reset_are_not_logged(sqlite_service: RunningService, path: str) -> None:
    address = sqlite_service.host, sqlite_service.operations_port
    for _ in range(CLIENTS):
        reset_after(address, get(path))
    client = sqlite_service.connect_operations()
    client.request("GET", "/livez")
    assert client.getresponse().status == 200
    client.close()
    assert unusual_lines(sqlite_service) == []


def server_side(monkeypatch: pytest.MonkeyPatch, port: int, name: str, *numbers: int) -> None:
    """Let a method of the server's client sockets fail, with one error after another."""
    true = getattr(socket.socket, name)
    failures = [OSError(number, os.strerror(number)) for number in numbers]

    def failing(connection: socket.socket, *arguments: Any) -> object:  # noqa: ANN401 - as they are
        if failures and connection.family == socket.AF_INET and connection.getsockname()[1] == port:
            raise failures.pop(0)
        return true(connection, *arguments)

    monkeypatch.setattr(socket.socket, name, failing)


# From a cut network, a machine without power, a router without a route, a firewall.
GONE = (errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ECONNRESET, errno.EPIPE)


@pytest.mark.parametrize("number", GONE)
@pytest.mark.parametrize("name", ["recv", "send"])
def test_a_failing_connection_ends_no_other_and_is_not_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str, number: int
) -> None:
    store = MemoryStore()
    application = create_app(store, HttpSettings("USD", HostRule()))
    with served(GatheringServer(application, store, listen("127.0.0.1", 0))) as port:
        server_side(monkeypatch, port, name, number)
        with connected_to("127.0.0.1", port) as gone:
            gone.send(get("/health"))
            with suppress(ConnectionResetError):  # The server did not read the request.
                assert gone.rest() == b""
        with connected_to("127.0.0.1", port) as wire:
            wire.send(HEALTH)
            assert wire.receive().status == 200
    assert caplog.messages == []


def test_a_socket_that_would_block_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = MemoryStore()
    application = create_app(store, HttpSettings("USD", HostRule()))
    with served(GatheringServer(application, store, listen("127.0.0.1", 0))) as port:
        server_side(monkeypatch, port, "recv", errno.EAGAIN)
        server_side(monkeypatch, port, "send", errno.EAGAIN)
        with connected_to("127.0.0.1", port) as wire:
            wire.send(HEALTH)
            assert wire.receive().status == 200
