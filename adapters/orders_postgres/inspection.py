"""What Orders reports about a database beyond whether it answers."""

from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from orders_core import Reason, StoreUnavailable
from orders_core.database import Condition
from orders_postgres.certificates import earliest_expiry, expiry
from orders_postgres.connection import Connection, SessionState
from orders_postgres.open_connection import connect
from orders_postgres.schema import SCHEMA_VERSION, applied_version
from orders_postgres.session_settings import DURABLE_COMMITS
from orders_postgres.url import DatabaseUrl


def inspect(url: DatabaseUrl) -> Condition:
    """Read the certificate files, and look at the server on a new connection.

    Certificates are `client` and `ca`, of the files that the URL names, and `server`, as the server
    presents it now. Of a file with several certificates, the first to expire counts. A failed
    connection is no error here: `OrderStore.check` reports it.
    """
    expiries = dict(_of_files(url))
    with suppress(StoreUnavailable), closing(connect(url)) as connection:
        shown = connection.server_certificate
        if shown is not None:
            expiries["server"] = expiry(shown)
        schema = (_schema_version(connection), SCHEMA_VERSION)
        return Condition(expiries, schema, notes=tuple(_notes(connection.state)))
    return Condition(expiries)


def _notes(state: SessionState) -> Iterator[str]:
    if state.is_pooled:
        yield (
            "a pooler answers: each transaction sets its own settings, "
            "and no statement is prepared beforehand"
        )
    if state.synchronous_commit not in DURABLE_COMMITS:
        yield (
            f"the server's own synchronous_commit is {state.synchronous_commit}, which can lose "
            "acknowledged commits; Orders sets it to on for its own sessions"
        )
    if not state.fsync:
        yield (
            "the server's fsync is off: a crash of its machine can lose acknowledged orders; "
            "set fsync = on in postgresql.conf"
        )


def _of_files(url: DatabaseUrl) -> Iterator[tuple[str, float]]:
    files = (("client", url.sslcert), ("ca", url.sslrootcert))
    for name, path in files:
        found = None if path is None else _of_file(path)
        if found is not None:
            yield name, found


def _of_file(path: Path) -> float | None:
    # An unusable file makes every connection fail, with a message that says so.
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
