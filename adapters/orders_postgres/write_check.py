"""Proves that orders can be added now, without adding one."""

from typing import Final

from orders_core import Reason, StoreUnavailable
from orders_postgres.connection import Connection
from orders_postgres.session_settings import DURABLE_COMMIT
from orders_postgres.sql import identifier

# transaction_read_only is "on" for a standby too.
_RIGHTS: Final = """
SELECT current_user, current_setting('transaction_read_only'),
    has_column_privilege('orders', 'id', 'INSERT')
    AND has_column_privilege('orders', 'amount', 'INSERT')
"""
# A message in the write-ahead log (PostgreSQL, "Replication Functions"), which nothing reads, makes
# the transaction write: its commit is flushed and waits for synchronous standbys. The COMMIT is
# inside the statement, so that the statement's time limit ends that wait too; otherwise each check
# would leave a session waiting until a standby is back.
# The sort exceeds its memory limit, so the server writes a temporary file of 300 kB: this fails on
# a full disk, like writing new pages.
_COMMIT: Final = f"""
DO $$ BEGIN
PERFORM set_config('work_mem', '64kB', true);
PERFORM count(*) FROM (
    SELECT repeat('orders', 50) || number AS text FROM generate_series(1, 1000) AS number
    ORDER BY text DESC
) AS sorted;
PERFORM set_config('synchronous_commit', {DURABLE_COMMIT}, true);
PERFORM pg_logical_emit_message(true, 'orders', 'check');
COMMIT;
END $$
"""  # noqa: S608 - an expression of ours


def require_writable(connection: Connection, address: str) -> None:
    """Prove that orders can be added, without adding one.

    Raises:
        StoreUnavailable: With the reason. A connection to a read-only server is discarded.
    """
    ((user, read_only, may_insert),) = connection.run(_RIGHTS)
    if read_only == "on":
        connection.discard()
        message = (
            f"{address}: the server refuses writes: it is a standby, or "
            "default_transaction_read_only is on"
        )
        raise StoreUnavailable(Reason.READ_ONLY, message)
    if not may_insert:
        message = (
            f"{address}: the role {user} may not add orders: as the owner, run orders migrate "
            f"--grant-to {user}, or GRANT SELECT, INSERT ON orders TO {identifier(user)}"
        )
        raise StoreUnavailable(Reason.REFUSED, message)
    connection.script_alone(_COMMIT)
