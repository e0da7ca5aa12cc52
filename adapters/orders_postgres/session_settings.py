"""The settings for every statement of Orders, whatever the server's own settings are.

They are not sent at the login: poolers such as PgBouncer refuse parameters they do not know.
"""

from collections.abc import Mapping
from typing import Final

from attrs import frozen

ISOLATION: Final = "read committed"
"""The isolation of every transaction: each statement sees what others committed before it."""

DURABLE_COMMITS: Final = frozenset({"on", "remote_apply"})
"""The values of `synchronous_commit` that lose no acknowledged commit.

With the others, such as `off`, `local` and `remote_write`, a crash of the server or a failover to
its standby can lose a commit that was reported as done.
"""
DURABLE_COMMIT: Final = """CASE current_setting('synchronous_commit')
WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END"""
"""An SQL expression: the value to set. It keeps a stricter one."""


@frozen(kw_only=True)
class Limits:
    """Time limits in seconds; None is no limit.

    Attributes:
        lock: Waiting for one lock, on the server.
        statement: One statement, on the server.
        idle_in_transaction: The pause between two statements of a transaction, on the server.
        socket: Waiting for the next bytes of an answer.
        check_age: The maximum age of the connection that a check uses. ALTER ROLE and ALTER
            DATABASE affect new sessions only, so a check needs a recent one.
    """

    lock: float | None = 1.0
    statement: float | None = 2.0
    idle_in_transaction: float | None = 5.0
    socket: float | None = 3.0
    check_age: float = 4.0

    def settings(self) -> Mapping[str, str]:
        """Return the server's limits as its settings, in milliseconds; 0 is no limit."""
        limits = {
            "lock_timeout": self.lock,
            "statement_timeout": self.statement,
            "idle_in_transaction_session_timeout": self.idle_in_transaction,
        }
        return {name: f"{int((seconds or 0) * 1000)}" for name, seconds in limits.items()}


SERVICE_LIMITS: Final = Limits()
"""The limits of a service that answers requests."""


def for_session(settings: Mapping[str, str]) -> str:
    """Return the statement that applies the settings until the session ends.

    Settings of a session override those of the server, the database and the role, even if those
    change later.
    """
    session = {"default_transaction_isolation": ISOLATION, **settings}
    return _setting(session, is_local=False)


def for_transaction(settings: Mapping[str, str]) -> str:
    """Return the statement that applies the settings until the transaction ends.

    The isolation is not among them: it must be set before the first statement.
    """
    return _setting(settings, is_local=True)


def _setting(settings: Mapping[str, str], *, is_local: bool) -> str:
    """Return one statement. OFFSET drops its only row after it is computed."""
    values = {name: f"'{value}'" for name, value in settings.items()}
    values["synchronous_commit"] = DURABLE_COMMIT
    calls = (f"set_config('{name}', {value}, {is_local})" for name, value in values.items())
    return f"SELECT {', '.join(calls)} OFFSET 1"
