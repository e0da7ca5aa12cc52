"""The request that a process sends to itself, to show that it works."""

import socket
from http import HTTPStatus
from threading import Thread

import pytest

from orders_http.api.operations import Operations
from orders_http.server.listening import listen
from orders_http.server.operations_server import OperationsServer
from orders_http.server.self_request import SelfRequest
from orders_memory import MemoryStore
from tests.service_process import served


def operations(*, stopping: bool = False) -> Operations:
    return Operations(MemoryStore(), lambda: stopping, lambda: b"")


def answers_to_itself(application: Operations, times: int = 1) -> int:
    """Let a server ask itself, and count the answers that show that it works."""
    server = OperationsServer(application, listen("127.0.0.1", 0))
    answers: list[float] = []
    with served(server):
        for _ in range(times):
            SelfRequest(server.connect, lambda: answers.append(1)).ask()
    return len(answers)


def test_a_server_that_is_alive_answers_itself_each_time() -> None:
    assert answers_to_itself(operations(), times=3) == 3


def test_a_server_that_stops_is_alive() -> None:
    assert answers_to_itself(operations(stopping=True)) == 1


def test_an_answer_of_a_server_that_fails_does_not_count_and_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failing = operations()
    monkeypatch.setattr(failing, "_answers", {})
    assert answers_to_itself(failing) == 0
    (record,) = caplog.records
    assert record.message == "the self-check got a wrong answer"
    assert vars(record)["status"] == HTTPStatus.NOT_FOUND


def test_no_answer_does_not_count_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    near, far = socket.socketpair()
    answers: list[float] = []

    def hang_up() -> None:
        with far:
            far.recv(1000)

    thread = Thread(target=hang_up)
    thread.start()
    SelfRequest(lambda: near, lambda: answers.append(1)).ask()
    thread.join()
    assert answers == []
    assert caplog.messages == ["the self-check failed or timed out"]
