"""Faults of the database server."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from time import monotonic
from typing import Final

import pg8000.native  # type: ignore[import-untyped]  # pg8000 ships no types

from tests.faults.network import refused
from tests.faults.stage import Fault, Stage, wait_until_not_ready
from tests.postgres_server import PostgresServer, wait_until

LOCK_SECONDS: Final = 1.5
"""Longer than the service waits for a lock."""


@contextmanager
def killed(stage: Stage) -> Iterator[None]:
    """Kill every process of the server, as a power cut would."""
    stage.database.server.kill()
    try:
        stage.traffic.wait_for_refusals()
    finally:
        stage.database.server.start()
    yield


@contextmanager
def restarted(stage: Stage) -> Iterator[None]:
    """Stop the server cleanly, and start it at once."""
    stage.database.server.restart()
    yield


@contextmanager
def stopped(stage: Stage) -> Iterator[None]:
    """Stop the server cleanly, and leave it stopped for a while."""
    stage.database.server.stop()
    try:
        stage.traffic.wait_for_refusals()
    finally:
        stage.database.server.start()
    yield


@contextmanager
def stopped_immediately(stage: Stage) -> Iterator[None]:
    """Stop the server immediately, so that it has to recover from its log."""
    stage.database.server.stop_immediately()
    try:
        stage.traffic.wait_for_refusals()
    finally:
        stage.database.server.start()
    yield


@contextmanager
def sessions_ended(stage: Stage) -> Iterator[None]:
    """End all of the service's sessions again and again."""
    for _ in range(10):
        stage.database.end_sessions()
        stage.traffic.wait_for_orders(1)
    yield


@contextmanager
def table_locked(stage: Stage) -> Iterator[None]:
    """Hold an exclusive lock for longer than anyone waits."""
    with closing(stage.database.server.connect(stage.database.name)) as other:
        other.run("BEGIN")
        other.run("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        until = monotonic() + LOCK_SECONDS
        stage.traffic.wait_for_refusals()
        wait_until(lambda: monotonic() > until)
        other.run("ROLLBACK")
    yield


@contextmanager
def no_connection_left(stage: Stage) -> Iterator[None]:
    """Use up every connection that the server allows."""
    server = stage.database.server
    with ExitStack() as taken:
        # The service is kept out until then; it reconnects quickly.
        with refused(stage):
            wait_until(lambda: not stage.database.sessions())
            while _take(server, taken):
                pass
        wait_until_not_ready(stage.service, "SQLSTATE 53300")
        stage.traffic.wait_for_refusals()
    yield


def _take(server: PostgresServer, taken: ExitStack) -> bool:
    """Open one more connection; return whether that worked."""
    with suppress(pg8000.native.Error):
        taken.enter_context(closing(server.connect()))
        return True
    return False


@contextmanager
def read_only(stage: Stage) -> Iterator[None]:
    """Make the server read-only for a while."""
    server = stage.database.server
    server.run("ALTER SYSTEM SET default_transaction_read_only = on")
    server.reload()
    try:
        stage.traffic.wait_for_refusals()
    finally:
        server.run("ALTER SYSTEM RESET default_transaction_read_only")
        server.reload()
    yield


SERVER_FAULTS: Final[tuple[Fault, ...]] = (
    killed,
    restarted,
    stopped,
    stopped_immediately,
    sessions_ended,
    table_locked,
    no_connection_left,
    read_only,
)
