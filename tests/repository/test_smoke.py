"""`make smoke` tells a service that takes orders from one that does not."""

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
    """Run it as the workflows do."""
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
    """A service that asks for tokens."""
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


def test_a_service_that_takes_an_order_and_gives_it_back_passes(service: RunningService) -> None:
    ended = smoke(service.url)
    assert (ended.returncode, ended.stderr) == (0, "")
    (order,) = orders_at(service)
    assert f"placed the order {order['id']} at {service.url} and read it back" in ended.stdout


def test_it_can_be_run_again_and_again(service: RunningService) -> None:
    assert [smoke(f"{service.url}/").returncode for _ in range(2)] == [0, 0]
    assert len(orders_at(service)) == 2


def test_what_stands_after_the_address_is_for_curl(service: RunningService) -> None:
    resolve = f"orders.example:{service.port}:127.0.0.1"
    host = f"Host:localhost:{service.port}"
    ended = smoke(f"http://orders.example:{service.port}", "--resolve", resolve, "--header", host)
    assert ended.returncode == 0, ended.stderr


def test_it_shows_the_token_that_it_is_given(
    locked: RunningService, tokens: Mapping[str, str]
) -> None:
    ended = smoke(locked.url, settings={"ORDERS_TOKEN": tokens["writer"]})
    assert ended.returncode == 0, ended.stderr
    assert tokens["writer"] not in ended.stdout + ended.stderr


def test_a_service_that_lets_nobody_in_fails(locked: RunningService) -> None:
    ended = smoke(locked.url)
    assert ended.returncode != 0
    assert "placing an order: expected status 201, got 401" in ended.stderr


def test_a_service_that_lets_nobody_write_fails(
    locked: RunningService, tokens: Mapping[str, str]
) -> None:
    ended = smoke(locked.url, settings={"ORDERS_TOKEN": tokens["reader"]})
    assert ended.returncode != 0
    assert "placing an order: expected status 201, got 403" in ended.stderr


def test_a_service_whose_database_is_away_fails(own_server: PostgresServer) -> None:
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


def test_where_nothing_listens_it_fails(service: RunningService) -> None:
    service.stop()
    ended = smoke(service.url)
    assert ended.returncode != 0
    assert "placing an order: curl: (7)" in ended.stderr


def test_what_is_no_address_is_refused() -> None:
    ended = smoke("localhost")
    assert ended.returncode != 0
    assert "'localhost' is not an HTTP URL; example: make smoke URL=http" in ended.stderr
