"""Why PostgreSQL failed: what pg8000 and sockets raise, translated to `StoreUnavailable`."""

import ssl
from typing import Final

import pg8000.native  # type: ignore[import-untyped]  # pg8000 ships no types
from attrs import frozen

from orders_core import Reason, StoreUnavailable
from orders_postgres.tls import tls_problem
from orders_postgres.url import DatabaseUrl

# PostgreSQL, "PostgreSQL Error Codes".
_REASONS_BY_CODE: Final = {
    "25006": Reason.READ_ONLY,  # read_only_sql_transaction
    "3D000": Reason.REFUSED,  # invalid_catalog_name: no such database
    "42501": Reason.REFUSED,  # insufficient_privilege
    "42P01": Reason.SCHEMA,  # undefined_table
    "55P03": Reason.TIMEOUT,  # lock_not_available
    "57014": Reason.TIMEOUT,  # query_canceled, by statement_timeout
}
_REASONS_BY_CLASS: Final = {
    "08": Reason.UNREACHABLE,  # connection exception
    "28": Reason.REFUSED,  # invalid authorization specification
    "53": Reason.EXHAUSTED,  # insufficient resources
    "57": Reason.UNREACHABLE,  # operator intervention: shut down, dropped, or idle for too long
}
# serialization_failure and deadlock_detected: the same work may succeed on a second try.
_TRANSIENT: Final = {"40001", "40P01"}
_UNIQUE_VIOLATION: Final = "23505"
# These leave the session as it was before the statement. After any other error the prepared
# statements may be stale, or the server the wrong one, as after a failover.
_HARMLESS: Final = {"55P03", "57014", _UNIQUE_VIOLATION} | _TRANSIENT

# What PgBouncer in mode "statement" answers to BEGIN before it closes the connection.
_NO_TRANSACTIONS: Final = "statement pooling mode"
# OpenSSL's name for a connection that ends early; the first releases of Python 3.11 have no class
# for it.
_TLS_EOF: Final = "UNEXPECTED_EOF_WHILE_READING"


class Unsuitable(Exception):
    """A server answers, but must not be used.

    Attributes:
        reason: Why, as one of a closed set.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        """Store the reason, and a message for the operator."""
        super().__init__(message)
        self.reason = reason


class Interrupted(StoreUnavailable):
    """Work was cut short; the same work on another connection may succeed at once."""


class Duplicate(StoreUnavailable):
    """A row with the same key exists; the statement changed nothing."""


@frozen
class Diagnosis:
    """What went wrong.

    Attributes:
        reason: Why, as one of a closed set.
        message: The same for people.
        code: The SQLSTATE, if the server reported one.
    """

    reason: Reason
    message: str
    code: str = ""

    @property
    def is_harmless(self) -> bool:
        """Whether the session is still usable."""
        return self.code in _HARMLESS

    def failure(self, address: str) -> StoreUnavailable:
        """Return the error to raise."""
        kind = StoreUnavailable
        if self.code == _UNIQUE_VIOLATION:
            kind = Duplicate
        elif self.reason is Reason.UNREACHABLE or self.code in _TRANSIENT:
            kind = Interrupted
        return kind(self.reason, f"{address}: {self.message}")


def diagnose(error: Exception, *, connecting_to: DatabaseUrl | None = None) -> Diagnosis:
    """Find out what an exception means.

    Args:
        error: What pg8000, a socket or `Unsuitable` raised.
        connecting_to: The URL, while the connection is being made: then TLS may have failed.
    """
    if isinstance(error, Unsuitable):
        return Diagnosis(error.reason, str(error))
    if isinstance(error, pg8000.native.DatabaseError):
        fields = error.args[0]
        code, message = fields["C"], fields["M"]
        reason = _REASONS_BY_CODE.get(code) or _REASONS_BY_CLASS.get(code[:2], Reason.FAILED)
        return Diagnosis(reason, f"{message} (SQLSTATE {code})", code)
    # pg8000 wraps most errors of the socket, but not all.
    cause = error.__cause__ if isinstance(error, pg8000.native.InterfaceError) else error
    if isinstance(cause, TimeoutError):
        return Diagnosis(Reason.TIMEOUT, "no answer in time")
    if isinstance(cause, ssl.SSLError) and _is_eof(cause):
        message = "the server closed the connection; its log may say why"
        return Diagnosis(Reason.UNREACHABLE, message)
    if connecting_to is not None and isinstance(cause, ssl.SSLError):
        return Diagnosis(Reason.TLS, tls_problem(connecting_to, cause))
    if isinstance(cause, OSError):
        return Diagnosis(Reason.UNREACHABLE, str(cause))
    if isinstance(error, pg8000.native.InterfaceError):
        message = str(error)
        if _NO_TRANSACTIONS not in message:
            return Diagnosis(Reason.UNREACHABLE, message)
        hint = "set pool_mode = session or transaction in pgbouncer.ini"
        return Diagnosis(Reason.REFUSED, f"{message}; {hint}")
    # Only the type: the text might repeat what was sent, such as a password.
    return Diagnosis(Reason.FAILED, f"not PostgreSQL's protocol ({type(error).__name__})")


def _is_eof(error: ssl.SSLError) -> bool:
    return isinstance(error, ssl.SSLEOFError) or error.reason == _TLS_EOF
