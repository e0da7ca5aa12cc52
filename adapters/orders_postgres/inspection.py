"""What can be told of a database besides whether it answers."""

from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from attrs import field, frozen

from orders_core import Reason, StoreUnavailable
from orders_postgres.certificates import earliest_expiry, expiry
from orders_postgres.connection import Connection, SessionState, connect
from orders_postgres.schema import applied_version
from orders_postgres.settings import DURABLE_COMMITS
from orders_postgres.url import DatabaseUrl


@frozen
class Inspection:
    """What was found.

    Attributes:
        expiries: When the certificates expire, in seconds since 1970: `client` and `ca` of the
            files that the URL names, `server` of the one that the server showed. Of a file with
            several it is the first to expire. What is not to be had is missing.
        schema_version: The last migration that was applied, 0 when none was; None when the
            database did not tell.
        notes: What the people who run the service should know of the server, one sentence each.
    """

    expiries: dict[str, float] = field(factory=dict)
    schema_version: int | None = None
    notes: tuple[str, ...] = ()


def inspect(url: DatabaseUrl) -> Inspection:
    """Read the certificates' files, and look at the server on a new connection.

    A new one shows the certificate that the server has now. One that cannot be made is no
    error here: whoever asks `OrderStore.check` is told.
    """
    expiries = dict(_of_files(url))
    with suppress(StoreUnavailable), closing(connect(url)) as connection:
        shown = connection.server_certificate
        if shown is not None:
            expiries["server"] = expiry(shown)
        return Inspection(expiries, _schema_version(connection), tuple(_notes(connection.state)))
    return Inspection(expiries)


def _notes(state: SessionState) -> Iterator[str]:
    if state.is_pooled:
        yield (
            "a pooler answers: each transaction brings its own settings, "
            "and no statement is prepared beforehand"
        )
    if state.synchronous_commit not in DURABLE_COMMITS:
        yield (
            f"the server's own synchronous_commit is {state.synchronous_commit}, which can lose "
            "what was acknowledged; Orders sets on for its own commits"
        )
    if not state.fsync:
        yield (
            "the server's fsync is off: a crash of its machine can lose what was acknowledged; "
            "set fsync = on in postgresql.conf"
        )


def _of_files(url: DatabaseUrl) -> Iterator[tuple[str, float]]:
    files = (("client", url.sslcert), ("ca", url.sslrootcert))
    for name, path in files:
        found = None if path is None else _of_file(path)
        if found is not None:
            yield name, found


def _of_file(path: Path) -> float | None:
    # A file that cannot be used fails each connection, with a message that says so.
    with suppress(OSError, ValueError):
        return earliest_expiry(path.read_bytes())
    return None


def _schema_version(connection: Connection) -> int:
    try:
        return applied_version(connection)
    except StoreUnavailable as error:
        if error.reason is Reason.SCHEMA:
            return 0
        raise
