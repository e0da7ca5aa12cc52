"""Clients that send or read slowly have a time limit, and hold up no other."""

import json
import select
import socket
from contextlib import ExitStack, closing

from tests.http.hostile_requests import HOST, get, head, post
from tests.http.wire import connected
from tests.service_process import RunningService

SLOW_CLIENTS = 500
STALLED = 3
SECONDS = 60.0


def test_a_request_that_does_not_arrive_in_time_is_refused(sqlite_service: RunningService) -> None:
    with connected(sqlite_service) as wire:
        wire.send(b"GET /health HTTP/1.1\r\nHost:")
        response = wire.receive()
        assert (response.status, response.closes) == (408, True)
        assert json.loads(response.body)["type"] == "urn:problem-type:orders:request-timeout"


def test_the_time_limit_of_a_request_starts_at_its_own_first_byte(
    sqlite_service: RunningService,
) -> None:
    with connected(sqlite_service) as wire:
        wire.send(get("/health") + b"GET /hea")
        assert wire.receive().status == 200
        wire.send(b"lth HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert wire.receive().status == 200


def test_hundreds_of_slow_senders_do_not_stop_the_service(sqlite_service: RunningService) -> None:
    unfinished = head("POST /orders HTTP/1.1", HOST, "Content-Length: 100")[:-2]
    with ExitStack() as stack:
        for _ in range(SLOW_CLIENTS):
            slow = socket.create_connection((sqlite_service.host, sqlite_service.port), SECONDS)
            stack.enter_context(closing(slow)).sendall(unfinished)
        with connected(sqlite_service) as wire:
            wire.send(post('{"id":"among slow senders","amount":1}'))
            assert wire.receive().status == 201
        with closing(sqlite_service.connect_operations()) as probe:
            probe.request("GET", "/livez")
            assert probe.getresponse().status == 200


def test_hundreds_of_slow_readers_do_not_stop_the_service_and_are_disconnected(
    sqlite_service: RunningService,
) -> None:
    rows = "\n".join(f"{'slow-reader-':x<100}{number},1" for number in range(1_000))
    body = f"id,amount\n{rows}\n".encode()
    stored = head(
        "POST /orders HTTP/1.1", HOST, "Content-Type: text/csv", f"Content-Length: {len(body)}"
    )
    with ExitStack() as stack:
        with connected(sqlite_service) as wire:
            wire.send(stored + body)
            assert wire.receive().status == 200
        readers = []
        for _ in range(SLOW_CLIENTS):
            reader = socket.socket()
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            reader.settimeout(SECONDS)
            stack.enter_context(closing(reader))
            reader.connect((sqlite_service.host, sqlite_service.port))
            readers.append(reader)
        for reader in readers:
            reader.sendall(get("/orders"))
        for reader in readers[:STALLED]:
            reader.sendall(get("/orders") * 100)
        with connected(sqlite_service) as wire:
            wire.send(post('{"id":"among slow readers","amount":1}'))
            assert wire.receive().status in {200, 201}
        for reader in readers[:STALLED]:
            assert _end_of(reader)


def _end_of(reader: socket.socket) -> bool:
    """Wait, without reading, until the other side has closed the connection."""
    poll = select.poll()
    poll.register(reader, select.POLLHUP | select.POLLRDHUP)
    return bool(poll.poll(SECONDS * 1000))
