"""Nothing is lost, duplicated or made up when the database's disk is full."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import pytest

from orders_core import Reason, StoreUnavailable
from tests.faults.small_disk import fill
from tests.faults.stage import Fault, Stage, endure, open_stage
from tests.postgres_server import SERVICE, OrdersDatabase, PostgresServer

REFUSE: Final = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON orders EXECUTE FUNCTION refuse()
"""


def full_disk(disk: Path) -> Fault:
    """Fill a disk."""

    @contextmanager
    def disk_full(stage: Stage) -> Iterator[None]:
        ballast = disk / "ballast"
        fill(disk, ballast)
        try:
            stage.traffic.wait_for_refusals()
            yield
        finally:
            ballast.unlink()

    return disk_full


@contextmanager
def reported_full_disk(stage: Stage) -> Iterator[None]:
    """Let the server raise the error that it raises when its disk is full."""
    stage.database.run(REFUSE)
    try:
        stage.traffic.wait_for_refusals()
    finally:
        stage.database.run("DROP FUNCTION refuse() CASCADE")
    yield


def move_orders(database: OrdersDatabase, disk: Path) -> None:
    """Move the orders to a separate disk."""
    folder = disk / "orders"
    folder.mkdir(mode=0o700)
    database.server.give(folder)
    database.run(f"CREATE TABLESPACE small LOCATION '{folder}'")
    for change in ("TABLE orders", "INDEX orders_pkey"):
        database.run(f"ALTER {change} SET TABLESPACE small")


def place_temporary_files(database: OrdersDatabase, disk: Path) -> None:
    """Let the service's role write its temporary files to a separate disk."""
    folder = disk / "temporary"
    folder.mkdir(mode=0o700)
    database.server.give(folder)
    database.run(f"CREATE TABLESPACE temporary LOCATION '{folder}'")
    database.run(f"GRANT CREATE ON TABLESPACE temporary TO {SERVICE}")
    database.run(f"ALTER ROLE {SERVICE} SET temp_tablespaces = temporary")


def test_a_check_fails_while_the_disk_is_full_and_succeeds_once_there_is_space(
    own_server: PostgresServer,
    small_disk: Path | None,
) -> None:
    database = own_server.new_database()
    if small_disk is None:
        database.run(f"ALTER ROLE {SERVICE} SET temp_file_limit = '64kB'")
    else:
        place_temporary_files(database, small_disk)
        fill(small_disk, small_disk / "ballast")
    try:
        with closing(database.store()) as store, pytest.raises(StoreUnavailable) as caught:
            store.check()
        assert caught.value.reason is Reason.EXHAUSTED
    finally:
        database.run(f"ALTER ROLE {SERVICE} RESET temp_file_limit")
        if small_disk is not None:
            (small_disk / "ballast").unlink()
    with closing(database.store()) as store:
        store.check()
    database.run(f"ALTER ROLE {SERVICE} RESET temp_tablespaces")


def test_every_acknowledged_order_is_stored_once_when_the_disk_was_full(
    own_server: PostgresServer,
    small_disk: Path | None,
) -> None:
    with open_stage(own_server) as stage:
        if small_disk is None:
            endure(stage, reported_full_disk)
        else:
            move_orders(stage.database, small_disk)
            endure(stage, full_disk(small_disk))
