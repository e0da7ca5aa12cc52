"""One connection to PostgreSQL.

Every failure is raised as `StoreUnavailable`, and a connection always knows whether it can be
used again.
"""

import select
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any, Final

from attrs import frozen

from orders_core import Reason, StoreUnavailable
from orders_postgres.errors import diagnose
from orders_postgres.session import MESSAGE, Row, Session
from orders_postgres.session_settings import ISOLATION
from orders_postgres.transport import close_transport

_READY: Final = b"Z"
_RECEIVE_SIZE: Final = 64 * 1024


@frozen
class SessionState:
    """A session as it was when it began, before any of its settings was changed.

    Attributes:
        is_pooled: Whether a pooler such as PgBouncer answers in the server's place. It may use
            another session of the server for each transaction.
        is_read_only: Whether it refuses writes.
        isolation: The isolation of its transactions, `default_transaction_isolation`.
        synchronous_commit: How far a commit goes before it is reported.
        fsync: Whether the server waits for its disk at all.
    """

    is_pooled: bool
    is_read_only: bool
    isolation: str
    synchronous_commit: str
    fsync: bool


class Connection:
    """A connection that belongs to one thread at a time.

    Behind a pooler, the next transaction may run in another session of the server. So nothing is
    kept in the session: each transaction begins with its settings, in the same message as its first
    statement, and no statement is prepared beforehand.
    """

    def __init__(
        self,
        address: str,
        transport: socket.socket,
        session: Session,
        state: SessionState,
        settings: str = "",
    ) -> None:
        """Use an established session; `connect` opens one.

        Args:
            address: Where it leads, for messages.
            transport: The socket.
            session: The session.
            state: The session as it was when it began.
            settings: The statement that each transaction begins with, behind a pooler.
        """
        self.state: Final = state
        self.is_new = True
        """Whether it was opened for its first use; the pool clears this."""
        self._address = address
        self._transport = transport
        self._session = session
        self._settings = settings
        self._in_step = True
        self._in_transaction = False
        self._context: Any = None
        self._answer = bytearray()
        self._position = 0
        self._last_received = 0.0

    @property
    def reusable(self) -> bool:
        """Whether it is idle and in step with the server; otherwise it must be closed."""
        return self._in_step and not self._in_transaction

    def discard(self) -> None:
        """Prevent any further use: it leads to the wrong server."""
        self._in_step = False

    def run(self, statement: str, *values: str | int) -> Sequence[Row]:
        """Run one statement with the values of `$1`, `$2` and so on; prepare it once.

        Returns:
            The rows; NUMERIC comes as text.

        Raises:
            Interrupted: The connection was lost, or the server asks to try again.
            StoreUnavailable: The statement failed.
        """
        self.prepare(statement)
        with self._exchange():
            context = self._send(statement, [str(value) for value in values])
            self._session.sync()
            self._session.handle_messages(context)
            rows: Sequence[Row] = context.rows or ()
            return rows

    def prepare(self, statement: str) -> None:
        """Prepare a statement for `send`; behind a pooler, do nothing.

        Raises:
            StoreUnavailable: As `run`.
        """
        if not self.state.is_pooled and not self._session.is_prepared(statement):
            with self._exchange():
                self._session.prepare_named(statement)

    def _send(self, statement: str, values: Sequence[str]) -> Any:  # noqa: ANN401 - untyped
        """Send a statement without ending the message; return the context of its answer."""
        if not self.state.is_pooled:
            return self._session.send(statement, values)
        if not self._in_transaction:
            self._session.send_unprepared(self._settings, ())
        return self._session.send_unprepared(statement, values)

    def fileno(self) -> int:
        """Return the file descriptor of the socket, to wait for an answer."""
        return self._transport.fileno()

    def send(self, statement: str, *values: str) -> None:
        """Send a statement, and leave its answer to `receive`.

        Raises:
            StoreUnavailable: As `run`.
        """
        with self._exchange():
            self._context = self._send(statement, values)
            self._session.sync()
            self._answer.clear()
            self._position = 0
            self._last_received = monotonic()
        # Until the whole answer has arrived.
        self._in_step = False

    def receive(self) -> Sequence[Row] | None:
        """Read what has arrived of the answer, without waiting.

        Returns:
            The rows; None while the answer is incomplete.

        Raises:
            Interrupted: As `run`.
            StoreUnavailable: As `run`.
        """
        with self._exchange():
            if not self._receive_more():
                return None
        self._in_step = True
        with self._exchange():
            return self._session.decode(bytes(self._answer), self._context)

    def _receive_more(self) -> bool:
        """Read what has arrived; return whether the answer is complete."""
        seconds = self._transport.gettimeout()
        self._transport.settimeout(0)
        try:
            while not self._is_complete():
                content = self._transport.recv(_RECEIVE_SIZE)
                if not content:
                    raise ConnectionResetError("the server closed the connection")
                self._answer += content
                self._last_received = monotonic()
        except (BlockingIOError, ssl.SSLWantReadError):
            if seconds is not None and monotonic() - self._last_received > seconds:
                raise TimeoutError from None
            return False
        finally:
            self._transport.settimeout(seconds)
        return True

    def _is_complete(self) -> bool:
        while self._position + MESSAGE.size <= len(self._answer):
            kind, length = MESSAGE.unpack_from(self._answer, self._position)
            end = self._position + 1 + length
            if end > len(self._answer):
                return False
            if kind == _READY:
                return True
            self._position = end
        return False

    def copy(self, statement: str, content: bytes) -> None:
        """Run `COPY ... FROM STDIN` with its whole content.

        Raises:
            Duplicate: A row exists already, or is twice in the content.
            StoreUnavailable: As `run`.
        """
        self.prepare(statement)
        with self._exchange():
            context = self._send(statement, ())
            self._session.send_copy_data(content)
            self._session.sync()
            self._session.handle_messages(context)

    def script(self, sql: str) -> None:
        """Run statements, separated by `;`, that need no values and return no rows.

        Raises:
            StoreUnavailable: As `run`.
        """
        if self._settings and not self._in_transaction:
            sql = f"{self._settings}; {sql}"
        self.script_alone(sql)

    def script_alone(self, statement: str) -> None:
        """Run one statement that must be alone in its message, since it commits by itself.

        Behind a pooler it runs without our settings.

        Raises:
            StoreUnavailable: As `run`.
        """
        with self._exchange():
            self._session.run(statement)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit if the block ends normally; roll back if it raises.

        `rollback` in the block ends the transaction early, and nothing is committed.
        """
        begin = f"BEGIN ISOLATION LEVEL {ISOLATION}"
        self.script_alone(f"{begin}; {self._settings}" if self._settings else begin)
        self._in_transaction = True
        try:
            yield
        except BaseException:
            if self._in_transaction and self._in_step:
                self.rollback()
            raise
        if self._in_transaction:
            self.script_alone("COMMIT")
            self._in_transaction = False

    def rollback(self) -> None:
        """Roll back the open transaction."""
        self.script_alone("ROLLBACK")
        self._in_transaction = False

    @property
    def server_certificate(self) -> bytes | None:
        """The server's certificate as DER; None without TLS."""
        if isinstance(self._transport, ssl.SSLSocket):
            return self._transport.getpeercert(binary_form=True)
        return None

    @property
    def server_encoding(self) -> str:
        """The encoding of the database, as the server names it."""
        return str(self._session.parameter_statuses["server_encoding"])

    def is_stale(self) -> bool:
        """Return whether an idle connection has received something: usually its end."""
        poll = select.poll()
        poll.register(self._transport, select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """Close; the server rolls back what was not committed."""
        if not self._in_step:
            # A goodbye would wait for a server that may have stopped reading.
            close_transport(self._transport)
        self._session.close()
        close_transport(self._transport)

    @contextmanager
    def _exchange(self) -> Iterator[None]:
        """Translate exceptions, and record whether the session can still be trusted."""
        in_step, self._in_step = self._in_step, False
        try:
            yield
        except Exception as error:
            found = diagnose(error)
            self._in_step = in_step and found.is_harmless
            raise found.failure(self._address) from error
        if self._session.warned_of_unreplicated_commit():
            message = "no synchronous standby confirmed the commit before the wait was cancelled"
            raise StoreUnavailable(Reason.TIMEOUT, f"{self._address}: {message}")
        self._in_step = in_step
