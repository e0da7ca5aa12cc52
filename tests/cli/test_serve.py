"""`orders serve`: its start, its messages and its end."""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from attrs import frozen

from orders_cli.exits import Exit
from tests.cli.command import Orders
from tests.postgres_server import PostgresServer, wait_until

HOST = "127.0.0.1"
ANY_PORT = ("--listen", f"{HOST}:0", "--ops-listen", f"{HOST}:0")


@frozen
class Serving:
    """A running service, and the addresses that it printed."""

    process: subprocess.Popen[bytes]
    log: Path
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
        """Tell whether nothing listens any more."""
        with socket.socket() as client:
            return client.connect_ex((HOST, self.port)) != 0

    def logged(self) -> list[dict[str, Any]]:
        """Read its log, each line of which is a JSON object."""
        return lines_of(self.log.read_bytes())


def lines_of(log: bytes) -> list[dict[str, Any]]:
    """Read a log, each line of which is a JSON object in ASCII."""
    return [json.loads(line) for line in log.decode("ascii").splitlines()]


def messages_of(log: bytes) -> list[str]:
    """Read the messages of a log."""
    return [line["message"] for line in lines_of(log)]


@contextmanager
def serving(orders: Orders, *arguments: str, **environ: str) -> Iterator[Serving]:
    """Start the service on free ports; at the end, kill it if it still runs."""
    path = orders.folder / "service.log"
    with (
        path.open("wb") as log,
        orders.start("serve", *ANY_PORT, *arguments, stderr=log, environ=environ) as process,
    ):
        try:
            wait_until(lambda: b"serving" in path.read_bytes() or process.poll() is not None)
            where = next(each for each in lines_of(path.read_bytes()) if "operations" in each)
            ports = [urlsplit(where[name]).port or 0 for name in ("orders", "operations")]
            yield Serving(process, path, *ports)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_its_log_names_its_addresses_and_its_database(orders: Orders) -> None:
    with serving(orders) as service:
        (said,) = service.logged()
        del said["time"]
        assert said == {
            "level": "info",
            "logger": "orders_cli.serve",
            "message": "serving",
            "orders": f"http://{HOST}:{service.port}/",
            "operations": f"http://{HOST}:{service.operations_port}/",
            "database": "sqlite:///orders.db",
        }
        assert service.ask("POST", "/orders", '{"id": "A-1", "amount": 12.30}') == 201
        assert service.ask("GET", "/orders/A-1") == 200
        for path in ("/livez", "/readyz", "/metrics"):
            assert service.ask("GET", path, port=service.operations_port) == 200


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """A terminal: the person's side, and the program's side."""
    screen, program_side = pty.openpty()
    yield screen, program_side
    os.close(screen)
    os.close(program_side)


def test_a_terminal_shows_its_addresses(orders: Orders, terminal: tuple[int, int]) -> None:
    screen, side = terminal
    with orders.start("serve", *ANY_PORT, stdout=side, stderr=side) as process:
        said = ""
        while "to stop." not in said:
            said += os.read(screen, 4096).decode()
        process.send_signal(signal.SIGTERM)
    port = r"http://127\.0\.0\.1:\d+/"
    assert re.fullmatch(
        rf"Orders is serving {port} from sqlite:///orders\.db;\r\n"
        rf"probes and metrics are at {port}\. Press Ctrl-C to stop\.(\r\n)?",
        said,
    )


def test_a_terminal_shows_why_it_does_not_start(orders: Orders, terminal: tuple[int, int]) -> None:
    screen, side = terminal
    with orders.start("serve", "--workers", "no", stderr=side) as process:
        pass
    assert process.returncode == Exit.CONFIGURATION
    assert os.read(screen, 4096).decode().startswith("orders: workers (flag --workers): ")


@pytest.mark.parametrize(
    ("arguments", "status", "begin"),
    [
        (["--workers", "no"], Exit.CONFIGURATION, "workers (flag --workers): 'no' is neither"),
        (["--tokens-file", "gone"], Exit.CONFIGURATION, "tokens_file (flag --tokens-file): gone: "),
        (["--database-url", "sqlite:///"], Exit.CONFIGURATION, "database_url (flag --database-"),
        (["--nothing"], Exit.USAGE, "unknown flag --nothing; see orders --help"),
        (["--listen"], Exit.USAGE, "argument --listen: expected one argument; see orders serve"),
        (["--listen", "192.0.2.1:1", "--auth", "trusted-network"], Exit.UNAVAILABLE, "192.0.2.1:1"),
    ],
)
def test_its_log_says_why_it_does_not_start(
    orders: Orders, arguments: list[str], status: Exit, begin: str
) -> None:
    with orders.start("serve", *arguments) as process:
        out, err = process.communicate()
    assert (process.returncode, out) == (status, b"")
    (line,) = lines_of(err)
    assert line["level"] == "error"
    assert line["message"].startswith(begin)


def test_a_log_that_cannot_be_written_does_not_end_it(orders: Orders) -> None:
    with (
        open("/dev/full", "wb") as full,  # noqa: PTH123 - a device
        orders.start("serve", "--workers", "no", stderr=full) as process,
    ):
        pass
    assert process.returncode == Exit.CONFIGURATION


def test_each_problem_of_its_configuration_is_a_line_of_its_log(orders: Orders) -> None:
    with orders.start("serve", "--workers", "no", "--currency", "no") as process:
        _, err = process.communicate()
    assert [message.partition(" ")[0] for message in messages_of(err)] == ["workers", "currency"]


BROKEN = {
    "an exception": "raise ValueError('why')",
    "an exception in a thread": """
        thread = threading.Thread(target=lambda: 1 / 0, name="mine")
        thread.start()
        thread.join()
        sys.exit(3)
        """,
    "an exception that Python ignores": """
        class Bad:
            def __del__(self):
                raise ValueError("why")
        Bad()
        gc.collect()
        sys.exit(3)
        """,
    "a warning": "warnings.warn('old', UserWarning)\nsys.exit(3)",
    "a log record that cannot be written": "logging.warning('%d', 'x')\nsys.exit(3)",
}
SAID = {
    "an exception": ("critical", "uncaught exception", "why"),
    "an exception in a thread": ("error", "uncaught exception in a thread", "division by zero"),
    "an exception that Python ignores": ("error", "Python ignored an exception", "why"),
    "a warning": ("warning", "<string>:", None),
    "a log record that cannot be written": (
        "error",
        "a log record could not be written",
        "TypeError('%d format: a real number is required, not str')",
    ),
}


@pytest.mark.parametrize("defect", BROKEN)
def test_everything_that_python_would_print_is_a_line_of_its_log(
    orders: Orders, defect: str
) -> None:
    broken = textwrap.indent(textwrap.dedent(BROKEN[defect]), "    ")
    before = (
        "import gc, logging, sys, threading, types, warnings\n"
        f"def serve(config):\n{broken}\n"
        "sys.modules['orders_cli.serve'] = types.ModuleType('orders_cli.serve')\n"
        "sys.modules['orders_cli.serve'].serve_orders = serve\n"
    )
    with orders.start("serve", before=before) as process:
        out, err = process.communicate()
    assert (process.returncode, out) == (1 if defect == "an exception" else 3, b"")
    (line,) = lines_of(err)
    level, message, error = SAID[defect]
    assert (line["level"], line.get("error")) == (level, error)
    assert line["message"].startswith(message)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_gracefully_with_status_0(orders: Orders, number: signal.Signals) -> None:
    with serving(orders) as service:
        service.process.send_signal(number)
        out, _ = service.process.communicate()
        assert (service.process.returncode, out) == (Exit.DONE, b"")
        assert [line["message"] for line in service.logged()] == ["serving"]


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
    assert messages_of(err) == [
        f"{address}: cannot listen: Address already in use; {flag} sets the address"
    ]


def test_an_unresolvable_name_is_reported(orders: Orders) -> None:
    # Longer than a label may be, so that nobody is asked what it means.
    address = f"{'x' * 64}:8000"
    with orders.start("serve", *ANY_PORT, "--ops-listen", address) as process:
        _, err = process.communicate()
    assert process.returncode == Exit.UNAVAILABLE
    (message,) = messages_of(err)
    assert message.startswith(f"{address}: cannot listen: ")


def test_it_refuses_to_start_on_a_database_without_its_schema(
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
    assert messages_of(err)[-1].endswith("run: orders migrate")


def test_an_unavailable_database_is_logged_and_answered_with_503(orders: Orders) -> None:
    url = "postgresql://me:canary@127.0.0.1:1/mine"
    with serving(orders, DATABASE_URL=url, ORDERS_WORKERS="1") as service:
        assert service.ask("GET", "/orders/A-1") == 503
        assert service.ask("GET", "/orders/A-1") == 503
        assert service.ask("GET", "/livez", port=service.operations_port) == 200
        assert service.ask("GET", "/readyz", port=service.operations_port) == 503
        service.process.send_signal(signal.SIGTERM)
        out, _ = service.process.communicate()
        assert (service.process.returncode, out) == (Exit.DONE, b"")
    logged = service.logged()
    assert logged[0]["message"] == "store unavailable at start"
    assert logged[0]["reason"] == "unreachable"
    # A worker and the process that answers probes tell it once each, however often they ask.
    failed = [each["operation"] for each in logged if each["message"] == "store unavailable"]
    assert sorted(failed) == ["check", "get"]
    assert "canary" not in service.log.read_text()


def test_relative_paths_start_at_the_folder_of_its_start(orders: Orders) -> None:
    with serving(orders, "--database-url", "sqlite:///mine.db") as service:
        assert service.ask("POST", "/orders", '{"id": "A-1", "amount": 1}') == 201
    assert Path("mine.db").exists()
