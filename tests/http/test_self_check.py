"""The request that a process sends to its own server, to prove that it works."""

import socket
from http import HTTPStatus
from threading import Thread

import pytest

from orders_http.api.operations import Operations
from orders_http.server.listening_sockets import listen
from orders_http.server.operations_server import OperationsServer
from orders_http.server.self_check import SelfCheck
from orders_memory import MemoryStore
from tests.service_process import served


def operations(*, stopping: bool = False) -> Operations:
    return Operations(MemoryStore(), lambda: stopping, lambda: b"")


def passed_self_checks(application: Operations, times: int = 1) -> int:
    """Let a server check itself, and count the checks that pass."""
    server = OperationsServer(application, listen("127.0.0.1", 0))
    answers: list[float] = []
    with served(server):
        for _ in range(times):
            SelfCheck(server.connect, lambda: answers.append(1)).run()
    return len(answers)


def test_a_live_server_passes_each_check() -> None:
    assert passed_self_checks(operations(), times=3) == 3


def test_a_stopping_server_passes_the_check() -> None:
    assert passed_self_checks(operations(stopping=True)) == 1


def test_a_wrong_answer_fails_the_check_and_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failing = operations()
    monkeypatch.setattr(failing, "_answers", {})
    assert passed_self_checks(failing) == 0
    (record,) = caplog.records
    assert record.message == "the self-check got a wrong answer"
    assert vars(record)["status"] == HTTPStatus.NOT_FOUND


def test_no_answer_fails_the_check_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    near, far = socket.socketpair()
    answers: list[float] = []

    def hang_up() -> None:
        with far:
            far.recv(1000)

    thread = Thread(target=hang_up)
    thread.start()
    SelfCheck(lambda: near, lambda: answers.append(1)).run()
    thread.join()
    assert answers == []
    assert caplog.messages == ["the self-check failed or timed out"]
