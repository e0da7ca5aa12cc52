"""The application answers the same under our server, a threaded one, and plain Waitress."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Thread
from typing import Final

import pytest
import waitress
from waitress import wasyncore

from orders_http.api.application import Application, HttpSettings, create_app
from orders_http.api.hosts import HostRule
from orders_http.api.routes import PATHS
from orders_http.server.gathering import GatheringServer
from orders_http.server.listening_sockets import listen
from orders_http.server.server import Server
from orders_memory import MemoryStore
from tests.http.hostile_requests import HOST, ORDER, all_requests, get, head, post
from tests.http.threaded_server import ThreadedServer
from tests.http.wire import HEALTH, connected_to
from tests.service_process import served

_DATE: Final = re.compile(rb"\r\nDate: [^\r\n]+")
# If the request has none, each server makes one.
_MADE_ID: Final = re.compile(rb"(?<=\r\nX-Request-Id: )[0-9a-f]{12}-[0-9]+")
_STATUS: Final = re.compile(rb"HTTP/1\.[01] [2-5][0-9]{2} [A-Z]")
# Plain Waitress names itself, and closes after every answer without a length.
_PLAIN_OWN: Final = {"server", "connection", "keep-alive", "date"}
_FORM: Final = "Content-Type: application/x-www-form-urlencoded"
_ORIGIN: Final = "Origin: http://localhost"
_NDJSON: Final = "Content-Type: application/x-ndjson"
_CSV: Final = "Content-Type: text/csv"
_TARGETS: Final = (
    *(path.replace("<id>", "hostile") for path in PATHS),
    *("/nothing", "/orders?id=hostile", "/orders?limit=1", "/orders?limit=0", "/?id=hostile"),
)


def every_route() -> Iterator[bytes]:
    """Every path with every method, on an empty store and on one with orders."""
    for _ in range(2):
        for target in _TARGETS:
            for method in ("GET", "HEAD", "OPTIONS", "DELETE", "POST", "BREW"):
                yield head(f"{method} {target} HTTP/1.1", HOST)
                yield head(f"{method} {target} HTTP/1.0", HOST)
        for accepted in ("application/json", "application/x-ndjson", "text/csv", "image/png"):
            yield get("/orders", f"Accept: {accepted}")
        yield get("/orders/hostile", "If-None-Match: *")
        yield post(ORDER)
        yield post(ORDER.replace(b":1", b":2"))
        yield post(ORDER + b"\n" + ORDER.replace(b"hostile", b"other"), _NDJSON)
        yield post("id,amount\r\nhostile,2\r\n", _CSV)
        yield post("id=form&amount=1.50", _FORM, _ORIGIN, target="/")
        yield post("id=form&amount=2", _FORM, _ORIGIN, target="/")
        yield post("id=&amount=x", _FORM, _ORIGIN, target="/")
        yield post("id=form&amount=1", _FORM, target="/")
        yield get("/health", "X-Request-Id: mine") + get("/nothing", "X-Request-Id: mine")
        # Pipelined requests are answered in order.
        yield get("/health") + get("/orders/hostile") + get("/orders") + post(ORDER)


def hostile() -> Iterator[bytes]:
    """The whole corpus."""
    return (request.raw for request in all_requests())


def gathering(application: Application, store: MemoryStore) -> Server:
    return GatheringServer(application, store, listen("127.0.0.1", 0))


def threaded(application: Application, _store: MemoryStore) -> Server:
    return ThreadedServer(application, listen("127.0.0.1", 0), 4)


@contextmanager
def running(make: Callable[[Application, MemoryStore], Server]) -> Iterator[int]:
    """Run the application with an empty store, and yield the port."""
    store = MemoryStore()
    with served(make(create_app(store, HttpSettings("USD", HostRule())), store)) as port:
        yield port


def answered(port: int, raw: bytes) -> bytes:
    """Send bytes and a last request; return all that arrives until the server closes.

    Dates and ids made by the server are left out.
    """
    with connected_to("127.0.0.1", port) as wire:
        wire.send(raw + HEALTH)
        return _MADE_ID.sub(b"made", _DATE.sub(b"", wire.rest()))


@pytest.mark.parametrize("requests", [every_route, hostile])
def test_both_servers_answer_the_same_requests_with_the_same_bytes(
    requests: Callable[[], Iterator[bytes]],
) -> None:
    with running(gathering) as one, running(threaded) as other:
        for raw in requests():
            answer = answered(one, raw)
            assert answer.startswith(b"HTTP/1."), raw
            assert answer.count(b"X-Request-Id: ") == len(_STATUS.findall(answer)), raw
            assert answered(other, raw) == answer, raw


@contextmanager
def plain_waitress() -> Iterator[int]:
    """Run the application with an empty store under plain Waitress, and yield the port."""
    application = create_app(MemoryStore(), HttpSettings("USD", HostRule()))
    sockets: dict[int, object] = {}
    server = waitress.create_server(application, map=sockets, listen="127.0.0.1:0")
    stopped = Event()

    def run() -> None:
        while not stopped.is_set():
            wasyncore.loop(timeout=0.1, map=sockets, count=1)

    thread = Thread(target=run)
    thread.start()
    try:
        yield server.effective_port
    finally:
        stopped.set()
        thread.join()
        server.task_dispatcher.shutdown()
        wasyncore.close_all(sockets)


def first_answer(port: int, raw: bytes) -> tuple[int, Mapping[str, str], bytes]:
    """Send bytes and return the first answer, without headers in which servers may differ."""
    with connected_to("127.0.0.1", port) as wire:
        wire.send(raw)
        answer = wire.receive(head=raw.startswith(b"HEAD "))
    headers = {name: value for name, value in answer.headers.items() if name not in _PLAIN_OWN}
    if b"\r\nX-Request-Id: " not in raw:
        del headers["x-request-id"]
    return answer.status, headers, answer.body


def test_under_plain_waitress_the_application_answers_the_same() -> None:
    with running(gathering) as one, plain_waitress() as other:
        for raw in every_route():
            assert first_answer(other, raw) == first_answer(one, raw), raw
