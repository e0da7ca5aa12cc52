"""Nothing is lost, duplicated or made up when the disk of PostgreSQL's WAL is full."""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pg8000.native  # type: ignore[import-untyped]  # pg8000 ships no types

from tests.faults.small_disk import fill
from tests.faults.stage import Fault, Stage, endure, open_stage
from tests.faults.test_disk_full import reported_full_disk
from tests.postgres_server import PostgresServer


def full_log(disk: Path) -> Fault:
    """Fill the disk of the server's WAL: the server stops until there is space."""

    @contextmanager
    def log_full(stage: Stage) -> Iterator[None]:
        server = stage.database.server
        ballast = disk / "ballast"
        fill(disk, ballast)
        try:
            # Existing segments have space left: use it up.
            with suppress(pg8000.native.Error, OSError), closing(server.connect()) as other:
                while True:
                    other.run("SELECT pg_switch_wal()")
            stage.traffic.wait_for_refusals()
        finally:
            ballast.unlink()
            server.recover()
        yield

    return log_full


def move_log(server: PostgresServer, disk: Path) -> None:
    """Move the server's WAL to a separate disk."""
    folder, log = server.folder / "data/pg_wal", disk / "pg_wal"
    server.configure(min_wal_size="32MB", max_wal_size="32MB", wal_recycle="off")
    server.stop()
    shutil.copytree(folder, log)
    shutil.rmtree(folder)
    folder.symlink_to(log)
    for each in (log, *log.rglob("*")):
        server.give(each)
    server.start()


def move_log_back(server: PostgresServer, disk: Path) -> None:
    """Move it back to the data folder."""
    folder, log = server.folder / "data/pg_wal", disk / "pg_wal"
    server.stop()
    folder.unlink()
    shutil.copytree(log, folder)
    for each in (folder, *folder.rglob("*")):
        server.give(each)
    server.start()


def test_every_acknowledged_order_is_stored_once_when_the_wal_disk_was_full(
    own_server: PostgresServer,
    small_disk: Path | None,
) -> None:
    if small_disk is None:
        with open_stage(own_server) as stage:
            endure(stage, reported_full_disk)
        return
    move_log(own_server, small_disk)
    try:
        with open_stage(own_server) as stage:
            endure(stage, full_log(small_disk))
    finally:
        move_log_back(own_server, small_disk)
