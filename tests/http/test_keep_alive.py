"""How long an idle connection stays open, and how clients are told."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.http.wire import connected
from tests.service_process import RunningService, running_service

if TYPE_CHECKING:
    from pathlib import Path

IDLE = 2


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service that closes idle connections soon."""
    folder: Path = tmp_path_factory.mktemp("idle")
    settings = {"ORDERS_IDLE_SECONDS": str(IDLE)}
    with running_service(f"sqlite:///{folder}/orders.db", settings) as running:
        yield running


def test_a_client_is_told_the_idle_time_after_which_its_connection_is_closed(
    service: RunningService,
) -> None:
    with connected(service) as wire:
        for _ in range(3):
            wire.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = wire.receive()
            assert answer.headers["keep-alive"] == f"timeout={IDLE}"
            assert answer.headers["connection"] == "Keep-Alive"
        # It ends by itself.
        assert wire.rest() == b""


@pytest.mark.parametrize(
    ("request_line", "field"),
    [
        ("GET /health HTTP/1.1", "Connection: close"),
        ("GET /health HTTP/1.1", "Connection: keep-alive, close"),
        ("GET /health HTTP/1.0", "X: a"),
        ("GET /health HTTP/1.1", "Content-Length: x"),
    ],
)
def test_a_reply_that_closes_the_connection_has_no_keep_alive(
    service: RunningService, request_line: str, field: str
) -> None:
    with connected(service) as wire:
        wire.send(f"{request_line}\r\nHost: localhost\r\n{field}\r\n\r\n".encode())
        answer = wire.receive()
        assert "keep-alive" not in answer.headers
        assert answer.headers["connection"] == "close"
        assert wire.rest() == b""


def test_an_http_1_0_client_that_asks_for_keep_alive_is_told_too(service: RunningService) -> None:
    with connected(service) as wire:
        wire.send(b"GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert wire.receive().headers["keep-alive"] == f"timeout={IDLE}"


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_a_reply_without_a_body_has_keep_alive_too(service: RunningService, method: str) -> None:
    with connected(service) as wire:
        wire.send(f"{method} /health HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert wire.receive(head=True).headers["keep-alive"] == f"timeout={IDLE}"
