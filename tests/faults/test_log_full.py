"""Nothing is lost, doubled or made up when the disk of PostgreSQL's own log was full."""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pg8000.native  # type: ignore[import-untyped]  # pg8000 ships no types

from tests.faults.small_disk import fill
from tests.faults.stage import Fault, Stage, endure, open_stage
from tests.faults.test_disk_full import told_full_disk
from tests.postgres_server import PostgresServer


def full_log(disk: Path) -> Fault:
    """Leave no place for the server's log: it ends itself, and cannot recover before there is."""

    @contextmanager
    def log_full(stage: Stage) -> Iterator[None]:
        server = stage.database.server
        ballast = disk / "ballast"
        fill(disk, ballast)
        try:
            # What is left is the rest of segments that are there already.
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
    """Keep the server's log on a disk of its own."""
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
    """Keep it beside the data again."""
    folder, log = server.folder / "data/pg_wal", disk / "pg_wal"
    server.stop()
    folder.unlink()
    shutil.copytree(log, folder)
    for each in (folder, *folder.rglob("*")):
        server.give(each)
    server.start()


def test_every_acknowledged_order_is_there_once_when_the_log_was_full(
    own_server: PostgresServer,
    small_disk: Path | None,
) -> None:
    if small_disk is None:
        with open_stage(own_server) as stage:
            endure(stage, told_full_disk)
        return
    move_log(own_server, small_disk)
    try:
        with open_stage(own_server) as stage:
            endure(stage, full_log(small_disk))
    finally:
        move_log_back(own_server, small_disk)
