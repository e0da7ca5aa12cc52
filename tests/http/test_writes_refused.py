"""Where nothing can be written, the service is not ready, and says why, until it can be again."""

import resource
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.postgres_server import wait_until
from tests.service_process import RunningService, running_service


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    """A service of its own for each test."""
    with running_service(f"sqlite:///{tmp_path}/orders.db") as running:
        yield running


def placed(service: RunningService, order_id: str) -> int:
    with closing(service.connect()) as client:
        body = f'{{"id":"{order_id}","amount":1}}'
        client.request("POST", "/orders", body, {"Content-Type": "application/json"})
        return client.getresponse().status


def operations(service: RunningService, path: str) -> tuple[int, str]:
    with closing(service.connect_operations()) as probe:
        probe.request("GET", path)
        response = probe.getresponse()
        return response.status, response.read().decode()


def is_up(service: RunningService) -> bool:
    return "\norders_store_up 1.0\n" in operations(service, "/metrics")[1]


def limit_files(service: RunningService, most: int) -> None:
    """Let no file of the service grow beyond so many bytes: a disk that is full."""
    for pid in service.children.values():
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, hard))


def test_a_full_disk_makes_the_service_not_ready_until_it_has_space(
    service: RunningService, tmp_path: Path
) -> None:
    assert placed(service, "before") == 201
    wait_until(lambda: operations(service, "/readyz")[0] == 200)
    wait_until(lambda: is_up(service))
    limit_files(service, 1)
    assert placed(service, "refused") == 503
    wait_until(lambda: operations(service, "/readyz")[0] == 503)
    assert f"{tmp_path}/orders.db: " in operations(service, "/readyz")[1]
    wait_until(lambda: not is_up(service))
    limit_files(service, resource.RLIM_INFINITY)
    wait_until(lambda: operations(service, "/readyz")[0] == 200)
    assert placed(service, "after") == 201
    wait_until(lambda: is_up(service))
