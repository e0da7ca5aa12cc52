"""`make smoke` succeeds on a working service, and fails on any other."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.debian_package import ROOT
from tests.postgres_server import PostgresServer
from tests.service_process import RunningService, running_service
from tests.token_files import write_tokens


def smoke(
    url: str, *options: str, settings: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `make smoke` as the workflows do."""
    return subprocess.run(
        ("make", "--silent", "smoke", f"URL={url}", f"ARGUMENTS={' '.join(options)}"),
        cwd=ROOT,
        env={**os.environ, **(settings or {})},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    with running_service(f"sqlite:///{tmp_path}/orders.db") as running:
        yield running


@pytest.fixture
def tokens(tmp_path: Path) -> Mapping[str, str]:
    return write_tokens(tmp_path / "tokens", writer="read,write", reader="read")


@pytest.fixture
def locked(tmp_path: Path, tokens: Mapping[str, str]) -> Iterator[RunningService]:
    """A service that requires tokens."""
    assert tokens
    settings = {"ORDERS_TOKENS_FILE": str(tmp_path / "tokens")}
    with running_service(f"sqlite:///{tmp_path}/orders.db", settings) as running:
        yield running


def orders_at(service: RunningService) -> list[dict[str, object]]:
    connection = HTTPConnection(service.host, service.port)
    connection.request("GET", "/orders")
    orders: list[dict[str, object]] = json.loads(connection.getresponse().read())
    connection.close()
    return orders


def test_a_working_service_passes(service: RunningService) -> None:
    ended = smoke(service.url)
    assert (ended.returncode, ended.stderr) == (0, "")
    (order,) = orders_at(service)
    assert f"placed the order {order['id']} at {service.url} and read it back" in ended.stdout


def test_it_can_be_repeated(service: RunningService) -> None:
    assert [smoke(f"{service.url}/").returncode for _ in range(2)] == [0, 0]
    assert len(orders_at(service)) == 2


def test_further_arguments_are_passed_to_curl(service: RunningService) -> None:
    resolve = f"orders.example:{service.port}:127.0.0.1"
    host = f"Host:localhost:{service.port}"
    ended = smoke(f"http://orders.example:{service.port}", "--resolve", resolve, "--header", host)
    assert ended.returncode == 0, ended.stderr


def test_it_sends_the_token_and_prints_it_nowhere(
    locked: RunningService, tokens: Mapping[str, str]
) -> None:
    ended = smoke(locked.url, settings={"ORDERS_TOKEN": tokens["writer"]})
    assert ended.returncode == 0, ended.stderr
    assert tokens["writer"] not in ended.stdout + ended.stderr


def test_it_fails_without_a_token_if_the_service_requires_one(locked: RunningService) -> None:
    ended = smoke(locked.url)
    assert ended.returncode != 0
    assert "placing an order: expected status 201, got 401" in ended.stderr


def test_it_fails_with_a_token_that_may_only_read(
    locked: RunningService, tokens: Mapping[str, str]
) -> None:
    ended = smoke(locked.url, settings={"ORDERS_TOKEN": tokens["reader"]})
    assert ended.returncode != 0
    assert "placing an order: expected status 201, got 403" in ended.stderr


def test_it_fails_if_the_database_is_unavailable(own_server: PostgresServer) -> None:
    database = own_server.new_database()
    with running_service(own_server.url_text(database.name)) as running:
        own_server.stop()
        try:
            ended = smoke(running.url)
        finally:
            own_server.start()
    database.drop()
    assert ended.returncode != 0
    assert "placing an order: expected status 201, got 503" in ended.stderr


def test_it_fails_if_nothing_listens(service: RunningService) -> None:
    service.stop()
    ended = smoke(service.url)
    assert ended.returncode != 0
    assert "placing an order: curl: (7)" in ended.stderr


def test_an_invalid_url_is_refused() -> None:
    ended = smoke("localhost")
    assert ended.returncode != 0
    assert "'localhost' is not an HTTP URL; example: make smoke URL=http" in ended.stderr
