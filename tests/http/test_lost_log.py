"""Losing the files next to a SQLite database under load loses no acknowledged order."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.http.traffic import CLIENTS, Traffic, stored
from tests.postgres_server import wait_until
from tests.service_process import RunningService, running_service

MANY = 100


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    """A separate service for each test, which will kill it."""
    with running_service(f"sqlite:///{tmp_path}/orders.db") as running:
        yield running


def delete_log(database: Path) -> None:
    database.with_name(f"{database.name}-wal").unlink()


def delete_index(database: Path) -> None:
    database.with_name(f"{database.name}-shm").unlink()


def delete_both(database: Path) -> None:
    delete_log(database)
    delete_index(database)


def move_log(database: Path) -> None:
    log = database.with_name(f"{database.name}-wal")
    log.rename(database.with_name("moved"))


def replace_log(database: Path) -> None:
    log = database.with_name(f"{database.name}-wal")
    copy = database.with_name("copy")
    shutil.copy(log, copy)
    copy.replace(log)


DAMAGE = [delete_log, delete_index, delete_both, move_log, replace_log]


def readiness(service: RunningService) -> tuple[int, str]:
    with closing(service.connect_operations()) as probe:
        probe.request("GET", "/readyz")
        response = probe.getresponse()
        return response.status, response.read().decode()


def not_ready(service: RunningService) -> bool:
    status, body = readiness(service)
    return status == 503 and "while in use" in body


def refused_after(
    damage: Callable[[Path], None], service: RunningService, database: Path
) -> Traffic:
    """Damage a file under load, and wait until the service refuses it and is not ready."""
    traffic = Traffic(service)
    traffic.start()
    wait_until(lambda: len(traffic.acknowledged) >= MANY)
    assert readiness(service)[0] == 200
    damage(database)
    wait_until(lambda: bool(traffic.refused))
    wait_until(lambda: not_ready(service))
    return traffic


def stored_after_a_kill(service: RunningService, traffic: Traffic) -> dict[str, str]:
    service.kill()
    traffic.join()
    service.start()
    return stored(service)


@pytest.mark.parametrize("damage", DAMAGE)
def test_acknowledged_orders_survive_the_loss_of_a_file_and_a_kill(
    service: RunningService, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    traffic = refused_after(damage, service, tmp_path / "orders.db")
    found = stored_after_a_kill(service, traffic)
    assert traffic.unexpected == []
    assert traffic.acknowledged.items() <= found.items()
    assert len(found) <= len(traffic.acknowledged) + CLIENTS


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_service_recovers_once_its_processes_have_closed_the_lost_file(
    service: RunningService, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    traffic = refused_after(damage, service, tmp_path / "orders.db")
    before = len(traffic.acknowledged)
    wait_until(lambda: len(traffic.acknowledged) >= before + MANY)
    wait_until(lambda: readiness(service)[0] == 200)
    found = stored_after_a_kill(service, traffic)
    assert traffic.unexpected == []
    assert traffic.acknowledged.items() <= found.items()
