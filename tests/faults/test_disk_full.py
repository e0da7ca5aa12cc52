"""Nothing is lost, doubled or made up when the database's disk was full."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from tests.faults.stage import Fault, Stage, endure, open_stage
from tests.postgres_server import OrdersDatabase, PostgresServer

ROOT_USER: Final = 0
REFUSE: Final = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON orders EXECUTE FUNCTION refuse()
"""


def full_disk(disk: Path) -> Fault:
    """Leave no place on a disk."""

    @contextmanager
    def disk_full(stage: Stage) -> Iterator[None]:
        ballast = disk / "ballast"
        with ballast.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(1024))
        assert shutil.disk_usage(disk).free == 0
        try:
            stage.traffic.wait_for_refusals()
            yield
        finally:
            ballast.unlink()

    return disk_full


@contextmanager
def told_full_disk(stage: Stage) -> Iterator[None]:
    """Let the server say what it would say if its disk were full."""
    stage.database.run(REFUSE)
    try:
        stage.traffic.wait_for_refusals()
    finally:
        stage.database.run("DROP FUNCTION refuse() CASCADE")
    yield


@pytest.fixture
def small_disk(own_server: PostgresServer) -> Iterator[Path | None]:
    """A disk that is soon full: only root can have one, and not in every container."""
    disk = own_server.folder / "disk"
    disk.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "size=8m,mode=0777", "none", disk)
    if os.getuid() != ROOT_USER or subprocess.run(mount, check=False).returncode:
        yield None
        return
    try:
        yield disk
    finally:
        # PostgreSQL may still hold a file of it open.
        subprocess.run(("umount", "--lazy", disk), check=True)


def move_orders(database: OrdersDatabase, disk: Path) -> None:
    """Keep the orders on a disk of their own."""
    folder = disk / "orders"
    folder.mkdir(mode=0o700)
    database.server.give(folder)
    database.run(f"CREATE TABLESPACE small LOCATION '{folder}'")
    for change in ("TABLE orders", "INDEX orders_pkey"):
        database.run(f"ALTER {change} SET TABLESPACE small")


def test_every_acknowledged_order_is_there_once_when_the_disk_was_full(
    own_server: PostgresServer,
    small_disk: Path | None,
) -> None:
    with open_stage(own_server) as stage:
        if small_disk is None:
            endure(stage, told_full_disk)
        else:
            move_orders(stage.database, small_disk)
            endure(stage, full_disk(small_disk))
