"""Sockets that a service manager passes: Unix sockets are served, unusable ones refused."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from orders_cli.exits import Exit
from tests.cli.command import Orders
from tests.http.hostile_requests import get, post
from tests.http.wire import HEALTH, Wire
from tests.service_process import RunningService, running_service
from tests.short_folders import short_folder


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    """A Unix socket that listens, as systemd opens it with `ListenStream=/run/orders.sock`."""
    with short_folder() as folder, socket.socket(socket.AF_UNIX) as listening:
        name = f"\0orders-test-{os.getpid()}"
        listening.bind(str(folder / "socket") if request.param == "path" else name)
        listening.listen()
        yield listening


@pytest.fixture
def service(listener: socket.socket, tmp_path: Path) -> Iterator[RunningService]:
    """A service on a Unix socket."""
    with running_service(f"sqlite:///{tmp_path}/orders.db", listener=listener) as running:
        yield running


def test_a_unix_socket_is_served_and_needs_no_token(
    service: RunningService, listener: socket.socket
) -> None:
    before = service.children
    for number in range(3):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(listener.getsockname())
            wire = Wire(client)
            order = f'{{"id":"unix-{number}","amount":1}}'
            wire.send(post(order) + get(f"/orders/unix-{number}") + get("/") + get("/orders"))
            assert [wire.receive().status for _ in range(4)] == [201, 200, 200, 200]
            wire.send(b"x\r\n\r\n")
            assert wire.receive().status == 400
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(listener.getsockname())
        client.sendall(HEALTH)
    assert service.children == before, "no worker was replaced"
    lines = [json.loads(line) for line in service.errors().splitlines()]
    assert {line["client"] for line in lines if line["message"] == "request"} == {"unix"}
    (start,) = [line for line in lines if line["message"] == "serving"]
    name = os.fsdecode(listener.getsockname()).replace("\0", "@")
    assert start["orders"] == f"unix:{name}"


ODD = {
    "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)": "has the wrong type: AF_INET SOCK_DGRAM",
    "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)": "has the wrong type: AF_UNIX SOCK_DGRAM",
    "socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)": "wrong type: AF_UNIX SOCK_SEQPACKET",
    "(pair := socket.socketpair())[0]": "does not listen: AF_UNIX SOCK_STREAM",
    "socket.socket()": "does not listen: AF_INET SOCK_STREAM",
    "open(os.devnull)": "is not a socket: Socket operation on non-socket",
}


def passed(*sockets: str) -> str:
    """Write a program that passes these to itself, as a service manager would."""
    return (
        f"import os, socket; kept = [{', '.join(sockets)}]; "
        "[os.dup2(each.fileno(), 100 + number) for number, each in enumerate(kept)]; "
        "[os.dup2(100 + number, 3 + number) for number in range(len(kept))]; "
        "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(kept))); "
    )


def test_all_sockets_that_cannot_accept_clients_are_refused_at_once(
    orders: Orders,
) -> None:
    with orders.start("serve", before=passed(*ODD)) as process:
        out, err = process.communicate()
    assert (process.returncode, out) == (Exit.CONFIGURATION, b""), err
    told = [json.loads(line)["message"] for line in err.decode().splitlines()]
    assert len(told) == len(ODD)
    for number, (line, reason) in enumerate(zip(told, ODD.values(), strict=True)):
        assert f"descriptor {3 + number} (unknown)" in line
        assert reason in line
        assert "ListenStream= and Accept=no" in line
