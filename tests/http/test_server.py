"""The server's connections: keep-alive, pipelining, refusals and shutdown."""

import json
import socket
import struct
from contextlib import ExitStack
from pathlib import Path
from queue import Queue
from threading import Thread, current_thread
from typing import Any
from urllib.parse import quote

import pytest

from orders_http.api.application import HttpSettings, create_app
from orders_http.api.hosts import HostRule
from orders_http.server.gathering import GatheringServer
from orders_http.server.listening_sockets import listen
from orders_http.server.scoreboard import Scoreboard, slack
from orders_memory import MemoryStore
from tests.http.hostile_requests import HOST, ORDER, chunked, get, head, post
from tests.http.threaded_server import ThreadedConnection, ThreadedServer
from tests.http.wire import HEALTH, Wire, connected, connected_to, only_response
from tests.service_process import RunningService, running_service, served

TYPE = "Content-Type: application/json"


def test_a_connection_serves_many_requests(sqlite_service: RunningService) -> None:
    with connected(sqlite_service) as wire:
        for number in range(20):
            wire.send(post(f'{{"id":"kept-{number}","amount":1}}'))
            assert wire.receive().status == 201


def test_pipelined_requests_are_answered_in_order(
    sqlite_service: RunningService,
) -> None:
    with connected(sqlite_service) as wire:
        wire.send(get("/health") + get("/nothing") + post(ORDER) + get("/health") + HEALTH)
        statuses = [wire.receive().status for _ in range(5)]
        assert [statuses[0], statuses[1], statuses[3], statuses[4]] == [200, 404, 200, 200]
        assert statuses[2] in {200, 201}
        assert wire.rest() == b""


def test_an_answer_without_a_body_keeps_the_connection(sqlite_service: RunningService) -> None:
    with connected(sqlite_service) as wire:
        for _ in range(2):
            wire.send(head("OPTIONS /orders HTTP/1.1", HOST))
            answer = wire.receive()
            assert (answer.status, answer.closes) == (204, False)
            wire.send(head("GET /openapi.json HTTP/1.1", HOST, "If-None-Match: *"))
            answer = wire.receive()
            assert (answer.status, answer.closes) == (304, False)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_client_that_asks_to_close_is_closed_even_without_a_body(
    sqlite_service: RunningService,
    version: str,
) -> None:
    with connected(sqlite_service) as wire:
        wire.send(head(f"OPTIONS /orders HTTP/{version}", HOST, "Connection: close"))
        answer = wire.receive()
        assert (answer.status, answer.closes) == (204, True)
        assert wire.rest() == b""


@pytest.mark.parametrize("options", ["TE, close", "close, TE", "TE,\tClose"])
def test_a_client_that_asks_to_close_among_other_options_is_closed(
    sqlite_service: RunningService,
    options: str,
) -> None:
    with connected(sqlite_service) as wire:
        wire.send(head("GET /health HTTP/1.1", HOST, f"Connection: {options}"))
        answer = wire.receive()
        assert (answer.status, answer.closes) == (200, True)
        assert wire.rest() == b""


def test_what_follows_a_refused_request_is_not_answered(sqlite_service: RunningService) -> None:
    refused = head("GET /health HTTP/1.1", HOST, HOST)
    with connected(sqlite_service) as wire:
        wire.send(refused + get("/health") + get("/health"))
        response = wire.receive()
        assert (response.status, response.closes) == (400, True)
        assert wire.rest() == b""


def test_a_client_that_expects_100_continue_gets_it(sqlite_service: RunningService) -> None:
    body = b'{"id":"expected","amount":1}'
    with connected(sqlite_service) as wire:
        length = f"Content-Length: {len(body)}"
        wire.send(head("POST /orders HTTP/1.1", HOST, TYPE, length, "Expect: 100-continue"))
        assert wire.receive().status == 100
        wire.send(body)
        assert wire.receive().status == 201


def test_a_client_that_asks_before_sending_too_much_is_refused(
    sqlite_service: RunningService,
) -> None:
    length = f"Content-Length: {5 * 1024 * 1024}"
    with connected(sqlite_service) as wire:
        wire.send(head("POST /orders HTTP/1.1", HOST, TYPE, length, "Expect: 100-continue"))
        response = wire.receive()
        assert response.status == 413
        assert json.loads(response.body)["type"].endswith(":body-too-large")


@pytest.mark.parametrize("mebibytes", [1, 3, 8])
def test_a_client_can_read_the_413_for_a_body_of_any_size(
    sqlite_service: RunningService,
    mebibytes: int,
) -> None:
    response = only_response(sqlite_service, post(b" " * mebibytes * 1024 * 1024))
    assert response.status == 413
    assert json.loads(response.body)["type"] == "urn:problem-type:orders:body-too-large"


def test_a_chunked_body_of_any_size_is_answered_413(sqlite_service: RunningService) -> None:
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    response = only_response(sqlite_service, chunked(chunk * 6 + b"0\r\n\r\n"))
    assert response.status == 413


def test_the_length_of_a_line_in_a_chunked_body_is_limited(sqlite_service: RunningService) -> None:
    response = only_response(sqlite_service, chunked(b"1;" + b"a" * 5_000))
    assert response.status == 400


def test_a_client_that_leaves_in_the_middle_harms_no_other(
    sqlite_service: RunningService,
) -> None:
    for raw in (get("/health")[:-2], post(ORDER)[:-1], chunked(b"5\r\nabc"), b""):
        with connected(sqlite_service) as wire:
            wire.send(raw)
            wire.finish_sending()
            assert wire.rest() == b"", "an incomplete request gets no answer"
    assert only_response(sqlite_service, HEALTH).status == 200


def send_forever(wire: Wire) -> None:
    while True:
        wire.send(b"x")


def test_a_refused_client_that_does_not_close_is_disconnected(
    sqlite_service: RunningService,
) -> None:
    with connected(sqlite_service) as wire:
        wire.send(b"x\r\n\r\n")
        assert wire.receive().status == 400
        assert wire.rest() == b""
        # The service closes its side first, and later the whole connection: then sending fails.
        with pytest.raises(OSError, match=r"[Rr]eset|[Pp]ipe"):
            send_forever(wire)
    assert only_response(sqlite_service, HEALTH).status == 200


def test_a_refused_client_that_resets_harms_no_other(sqlite_service: RunningService) -> None:
    address = (sqlite_service.host, sqlite_service.port)
    for _ in range(20):
        with socket.create_connection(address) as connection:
            at_once = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
            connection.sendall(b"x\r\n\r\n")
    assert only_response(sqlite_service, HEALTH).status == 200


def test_an_http_1_0_request_is_answered_and_the_connection_closed(
    sqlite_service: RunningService,
) -> None:
    with connected(sqlite_service) as wire:
        wire.send(b"GET /health HTTP/1.0\r\n\r\n")
        assert wire.receive().body == b'{"status":"ok"}'
        assert wire.rest() == b""


def test_a_reply_to_head_has_no_body_even_if_it_is_refused(sqlite_service: RunningService) -> None:
    for raw in (head("HEAD /health HTTP/1.1", HOST), head("HEAD /x HTTP/1.1", HOST)):
        assert only_response(sqlite_service, raw).body == b""
    refused = head("HEAD /health HTTP/1.1", HOST, "Content-Length: 4194304")
    response = only_response(sqlite_service, refused)
    assert (response.status, response.body) == (413, b"")


def test_the_server_does_not_name_itself(sqlite_service: RunningService) -> None:
    for raw in (HEALTH, b"x\r\n\r\n"):
        headers = only_response(sqlite_service, raw).headers
        assert {"server", "via"}.isdisjoint(headers)
        assert "date" in headers


@pytest.mark.parametrize("order_id", ["a/../b", "a/./b", "/", "//", "..a", "%2F", "a\\b", "?", "#"])
def test_an_id_that_looks_like_a_path_is_found_at_its_location(
    sqlite_service: RunningService,
    order_id: str,
) -> None:
    created = only_response(sqlite_service, post(json.dumps({"id": order_id, "amount": 1})))
    location = created.headers["location"]
    assert location == f"/orders/{quote(order_id, safe='')}"
    for target in (location, f"/orders?id={quote(order_id, safe='')}"):
        found = only_response(sqlite_service, get(target))
        assert (found.status, found.body) == (200, created.body)


def test_an_id_with_slashes_is_found_at_its_unencoded_path_too(
    sqlite_service: RunningService,
) -> None:
    only_response(sqlite_service, post('{"id":"c/../d","amount":1}'))
    assert only_response(sqlite_service, get("/orders/c/../d")).status == 200


def test_an_allowed_host_is_served(tmp_path: Path) -> None:
    allowed = {"ORDERS_ALLOWED_HOSTS": "shop.example"}
    with running_service(f"sqlite:///{tmp_path}/orders.db", allowed) as service:
        for host, status in (("SHOP.example:80", 200), ("other.example", 421)):
            raw = head("GET /health HTTP/1.1", f"Host: {host}")
            assert only_response(service, raw).status == status


def test_a_defect_is_answered_as_a_problem_and_logged_and_the_server_continues(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class DefectError(Exception): ...

    class DefectiveStore(MemoryStore):
        def page(self, *_arguments: object, **_options: object) -> tuple[()]:
            raise DefectError

    application = create_app(DefectiveStore(), HttpSettings("USD", HostRule()))
    with served(ThreadedServer(application, listen("127.0.0.1", 0), 1)) as port:
        with connected_to("127.0.0.1", port) as wire:
            wire.send(get("/orders"))
            response = wire.receive()
        assert response.status == 500
        assert json.loads(response.body)["type"] == "urn:problem-type:orders:internal-error"
        assert "DefectError" not in response.body.decode()
        with connected_to("127.0.0.1", port) as wire:
            wire.send(HEALTH)
            assert wire.receive().status == 200
    assert "DefectError" in caplog.text


def test_a_connection_queued_when_the_server_stops_is_answered() -> None:
    application = create_app(MemoryStore(), HttpSettings("USD", HostRule()))
    server = ThreadedServer(application, listen("127.0.0.1", 0), 1)
    host, _, port = server.address.partition(":")
    with connected_to(host, int(port)) as asking, connected_to(host, int(port)) as silent:
        asking.send(get("/health"))
        server.stop()
        server.run()
        response = asking.receive()
        assert (response.status, response.closes) == (200, True)
        assert asking.rest() == silent.rest() == b""


def test_a_worker_leaves_a_connection_to_one_with_fewer_and_accepts_it_later() -> None:
    scoreboard = Scoreboard(2, clock=lambda: 0.0)
    scoreboard.slot(1).heartbeat(0)
    store = MemoryStore()
    application = create_app(store, HttpSettings("USD", HostRule()))
    server = GatheringServer(application, store, listen("127.0.0.1", 0), scoreboard.slot(0))
    with served(server) as port, ExitStack() as stack:
        wires = [stack.enter_context(connected_to("127.0.0.1", port)) for _ in range(3)]
        for wire in wires:
            wire.send(get("/health"))
        for wire in wires[: 1 + slack(0)]:
            assert wire.receive().status == 200
        for _ in range(10):
            wires[0].send(get("/health"))
            assert wires[0].receive().status == 200
        assert scoreboard.connections(0) == 1 + slack(0)
        scoreboard.slot(1).heartbeat(1)
        assert wires[-1].receive().status == 200


def test_the_address_of_ipv6_is_written_as_in_a_url() -> None:
    server = ThreadedServer(
        create_app(MemoryStore(), HttpSettings("USD", HostRule())), listen("::1", 0), 1
    )
    assert server.address.startswith("[::1]:")
    server.stop()
    server.run()


def test_a_server_knows_whether_it_is_stopping() -> None:
    server = ThreadedServer(
        create_app(MemoryStore(), HttpSettings("USD", HostRule())), listen("127.0.0.1", 0), 1
    )
    before = server.stopping
    server.stop()
    server.run()
    assert (before, server.stopping) == (False, True)


def test_call_soon_calls_in_the_loops_thread() -> None:
    application = create_app(MemoryStore(), HttpSettings("USD", HostRule()))
    server = ThreadedServer(application, listen("127.0.0.1", 0), threads=1)
    done: Queue[Thread] = Queue()
    with served(server):
        server.call_soon(lambda: done.put(current_thread()))
        assert done.get(timeout=30) is not current_thread()


def test_a_server_that_has_ended_can_be_stopped_again() -> None:
    application = create_app(MemoryStore(), HttpSettings("USD", HostRule()))
    server = ThreadedServer(application, listen("127.0.0.1", 0), threads=1)
    with served(server):
        pass
    server.stop()
    assert server.stopping


def test_a_connection_that_cannot_be_set_up_is_lost_and_the_next_is_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class FirstFailing(ThreadedConnection):
        made = 0

        def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - passed on
            FirstFailing.made += 1
            if FirstFailing.made == 1:
                raise MemoryError
            super().__init__(*arguments, **options)

    class Serving(ThreadedServer):
        connection_class = FirstFailing

    application = create_app(MemoryStore(), HttpSettings("USD", HostRule()))
    with served(Serving(application, listen("127.0.0.1", 0), 1)) as port:
        with connected_to("127.0.0.1", port) as wire:
            assert wire.rest() == b""
        with connected_to("127.0.0.1", port) as wire:
            wire.send(HEALTH)
            assert wire.receive().status == 200
    assert "a connection could not be set up" in caplog.text
