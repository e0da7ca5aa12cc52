"""`orders serve`: starts, says where it is, and ends as it is told."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest
from attrs import frozen

from orders_cli.exits import Exit
from tests.cli.command import Orders
from tests.postgres_server import PostgresServer, wait_until

HOST = "127.0.0.1"
ANY_PORT = ("--listen", f"{HOST}:0", "--ops-listen", f"{HOST}:0")


@frozen
class Serving:
    """A service that runs, and what it said about itself."""

    process: subprocess.Popen[bytes]
    said: str
    port: int
    operations_port: int

    def ask(self, method: str, path: str, body: str | None = None, port: int = 0) -> int:
        """Send a request and give the status of the answer."""
        connection = HTTPConnection(HOST, port or self.port, timeout=30)
        try:
            headers = {} if body is None else {"Content-Type": "application/json"}
            connection.request(method, path, body, headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def refuses_connections(self) -> bool:
        """Tell whether nobody listens any more."""
        with socket.socket() as client:
            return client.connect_ex((HOST, self.port)) != 0


@contextmanager
def serving(orders: Orders, *arguments: str, **environ: str) -> Iterator[Serving]:
    """Start the service on free ports; kill it in the end if it still runs."""
    with orders.start("serve", *ANY_PORT, *arguments, environ=environ) as process:
        try:
            assert process.stdout is not None
            first, second = (process.stdout.readline().decode() for _ in range(2))
            ports = [
                int(line.partition(f"http://{HOST}:")[2].split("/")[0]) for line in (first, second)
            ]
            yield Serving(process, first + second, *ports)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_it_says_where_it_is_and_where_the_orders_are(orders: Orders) -> None:
    with serving(orders) as service:
        assert service.said == (
            f"Orders is at http://{HOST}:{service.port}/ "
            "and keeps its orders in sqlite:///orders.db;\n"
            f"probes and metrics are at http://{HOST}:{service.operations_port}/. "
            "Ctrl-C stops it.\n"
        )
        assert service.ask("POST", "/orders", '{"id": "A-1", "amount": 12.30}') == 201
        assert service.ask("GET", "/orders/A-1") == 200
        for path in ("/livez", "/readyz", "/metrics"):
            assert service.ask("GET", path, port=service.operations_port) == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_gently_with_status_0(orders: Orders, number: signal.Signals) -> None:
    with serving(orders) as service:
        service.process.send_signal(number)
        out, err = service.process.communicate()
        assert (service.process.returncode, out, err) == (Exit.DONE, b"", b"")


def test_a_second_ctrl_c_ends_it_at_once(orders: Orders) -> None:
    with serving(orders) as service, socket.create_connection((HOST, service.port)) as client:
        # A request under way, for which it would wait.
        client.sendall(b"POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
        assert service.ask("GET", "/health") == 200
        service.process.send_signal(signal.SIGINT)
        wait_until(service.refuses_connections)
        assert service.process.poll() is None
        service.process.send_signal(signal.SIGINT)
        assert service.process.wait() == Exit.INTERRUPTED


@pytest.mark.parametrize("flag", ["--listen", "--ops-listen"])
def test_an_address_in_use_is_named(orders: Orders, flag: str) -> None:
    with socket.create_server((HOST, 0)) as other:
        address = f"{HOST}:{other.getsockname()[1]}"
        with orders.start("serve", *ANY_PORT, flag, address) as process:
            out, err = process.communicate()
    assert (process.returncode, out) == (Exit.UNAVAILABLE, b"")
    assert err.decode() == (
        f"orders: {address}: cannot be listened on: Address already in use; "
        f"{flag} chooses another address\n"
    )


def test_a_name_that_is_no_address_is_named(orders: Orders) -> None:
    # Longer than a label may be, so that nobody is asked what it means.
    address = f"{'x' * 64}:8000"
    with orders.start("serve", *ANY_PORT, "--ops-listen", address) as process:
        _, err = process.communicate()
    assert process.returncode == Exit.UNAVAILABLE
    assert err.decode().startswith(f"orders: {address}: cannot be listened on: ")
    assert err.count(b"\n") == 1


def test_a_database_without_its_schema_is_a_reason_not_to_start(
    orders: Orders,
    postgres_server: PostgresServer,
) -> None:
    database = postgres_server.create_database("orders_of_the_service")
    try:
        environ = {"DATABASE_URL": postgres_server.url_text(database.name)}
        with orders.start("serve", *ANY_PORT, environ=environ) as process:
            out, err = process.communicate()
    finally:
        database.drop()
    assert (process.returncode, out) == (Exit.UNAVAILABLE, b"")
    assert err.decode().splitlines()[-1].endswith("run: orders migrate")


def test_a_database_that_is_away_is_logged_and_answered_with_503(orders: Orders) -> None:
    url = "postgresql://me:canary@127.0.0.1:1/mine"
    with serving(orders, DATABASE_URL=url, ORDERS_WORKERS="1") as service:
        assert service.ask("GET", "/orders/A-1") == 503
        assert service.ask("GET", "/orders/A-1") == 503
        assert service.ask("GET", "/livez", port=service.operations_port) == 200
        assert service.ask("GET", "/readyz", port=service.operations_port) == 503
        service.process.send_signal(signal.SIGTERM)
        out, err = service.process.communicate()
        assert (service.process.returncode, out) == (Exit.DONE, b"")
    logged = [json.loads(line) for line in err.decode("ascii").splitlines()]
    assert logged[0]["message"] == "store unavailable at start"
    assert logged[0]["reason"] == "unreachable"
    # A worker and the process that answers probes tell it once each, however often they ask.
    failed = [each["operation"] for each in logged if each["message"] == "store unavailable"]
    assert sorted(failed) == ["check", "get"]
    assert "canary" not in service.said + err.decode()


def test_it_serves_what_is_in_the_folder_that_it_was_started_in(orders: Orders) -> None:
    with serving(orders, "--database-url", "sqlite:///mine.db") as service:
        assert service.ask("POST", "/orders", '{"id": "A-1", "amount": 1}') == 201
    assert Path("mine.db").exists()
