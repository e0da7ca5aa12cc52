"""The check before the measurement passes the service, and refuses wrong answers."""

import pytest

from benchmarks.answers import WrongAnswer, check_answers
from orders_core import Order
from orders_http.api.application import HttpSettings, create_app
from orders_http.api.hosts import HostRule
from orders_http.server.listening_sockets import listen
from orders_memory import MemoryStore
from tests.http.threaded_server import ThreadedServer
from tests.service_process import served

IDS = [f"S{number}" for number in range(100, 200)]
SETTINGS = HttpSettings("USD", HostRule(frozenset()))


def check(page_path: str) -> None:
    store = MemoryStore()
    store.add([Order(each, 1) for each in IDS])
    server = ThreadedServer(create_app(store, SETTINGS), listen("127.0.0.1", 0), 1)
    with served(server) as port:
        check_answers("the service", port, page_path, IDS)


def test_the_service_passes() -> None:
    check("/orders?limit=100&after=Ug")


def test_a_wrong_list_is_reported() -> None:
    with pytest.raises(WrongAnswer, match=r"the service is not measured: .* must list 100 orders"):
        check("/orders?limit=99&after=Ug")
