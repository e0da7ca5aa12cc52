"""Another process keeps the SQLite file locked: writes wait or fail, and reads still work."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from threading import Event, Thread
from urllib.parse import urlencode

import pytest

from tests.service_process import RunningService, running_service
from tests.sqlite.connections import write_locked

READS = ("/orders/A", "/orders?limit=5", "/orders", "/", "/?id=A")
ROUNDS = 10


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    """A service on SQLite with one order, A, whose connections are open."""
    with running_service(f"sqlite:///{tmp_path}/orders.db") as running:
        with closing(running.connect()) as client:
            assert posted(client, "/orders", b'{"id":"A","amount":1}', "application/json") == 201
            for target in READS:
                assert got(client, target) == 200
        yield running


def posted(client: HTTPConnection, target: str, body: bytes, media_type: str) -> int:
    origin = f"http://{client.host}:{client.port}"
    client.request("POST", target, body, {"Content-Type": media_type, "Origin": origin})
    response = client.getresponse()
    response.read()
    return response.status


def got(client: HTTPConnection, target: str) -> int:
    client.request("GET", target)
    response = client.getresponse()
    response.read()
    return response.status


WRITES = (
    ("/orders", b'{"id":"B","amount":1}', "application/json"),
    ("/orders", b"id,amount\r\nC,1\r\n", "text/csv"),
    ("/", urlencode({"id": "D", "amount": "1"}).encode(), "application/x-www-form-urlencoded"),
)


@contextmanager
def writers(service: RunningService) -> Iterator[list[int]]:
    """Let clients write in every way, again and again; yield the statuses of the answers."""
    statuses: list[int] = []
    ended = Event()

    def write(target: str, body: bytes, media_type: str) -> None:
        with closing(service.connect()) as client:
            while not ended.is_set():
                statuses.append(posted(client, target, body, media_type))

    threads = [Thread(target=write, args=each) for each in WRITES for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def test_reads_are_answered_while_every_writer_waits(
    service: RunningService, tmp_path: Path
) -> None:
    with write_locked(tmp_path / "orders.db"), writers(service) as written:
        with closing(service.connect()) as client:
            found = [got(client, target) for _ in range(ROUNDS) for target in READS]
        assert found == [200] * ROUNDS * len(READS)
        assert set(written) <= {503}
    with closing(service.connect()) as client:
        assert posted(client, *WRITES[0]) in {200, 201}
