"""One connection to PostgreSQL: the only module that knows pg8000.

Every failure leaves here as `StoreUnavailable`, and a connection always knows whether it may be
used again.
"""

import select
import socket
import ssl
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any, Final

import pg8000.core  # type: ignore[import-untyped]  # pg8000 ships no types
import pg8000.native  # type: ignore[import-untyped]  # the same
from attrs import field, frozen

from orders_core import Reason, StoreUnavailable
from orders_postgres.tls import client_context, tls_problem
from orders_postgres.url import DatabaseUrl, Host, SslMode, TargetSessionAttrs

Row = Sequence[Any]
"""One row of an answer: text, whole numbers, truth values or None."""

# PostgreSQL, "Message Formats": SSLRequest.
_SSL_REQUEST: Final = bytes.fromhex("00000008 04d2162f")
_TLS_ACCEPTED: Final = b"S"
# The head of every message of the server: its kind, and its length without the kind.
_MESSAGE: Final = struct.Struct("!ci")
_READY: Final = b"Z"
_RECEIVED_AT_ONCE: Final = 64 * 1024
# The server is at work on the first part while the others are on their way.
_SENT_AT_ONCE: Final = 64 * 1024
# OpenSSL's name for a connection that ends in the middle; early 3.11 has no class for it.
_TLS_HUNG_UP: Final = "UNEXPECTED_EOF_WHILE_READING"

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
# serialization_failure and deadlock_detected: the same work may succeed at once.
_TRANSIENT: Final = {"40001", "40P01"}
_UNIQUE_VIOLATION: Final = "23505"
# After these the session is as it was before the statement. After any other the prepared
# statements may be stale, or the server the wrong one, as after a failover.
_HARMLESS: Final = {"55P03", "57014", _UNIQUE_VIOLATION} | _TRANSIENT


# Of several hosts that cannot be had, one that gave an answer tells more.
_NO_ANSWER: Final = {Reason.UNREACHABLE, Reason.TIMEOUT}


class Interrupted(StoreUnavailable):
    """Work was cut short, and the same work on another connection may well succeed at once."""


class Duplicate(StoreUnavailable):
    """A row with the same key is there already; the statement changed nothing."""


class _NotWritable(Exception):
    """A server takes no writes."""


class _NoTls(Exception):
    """A server does not speak TLS."""


@frozen(kw_only=True)
class Limits:
    """How long each step may take, in seconds; None is for ever.

    Attributes:
        lock: Waiting for one lock, on the server.
        statement: One statement, on the server.
        idle_in_transaction: Between two statements of a transaction, on the server.
        socket: Waiting for the next bytes of an answer.
    """

    lock: float | None = 1.0
    statement: float | None = 2.0
    idle_in_transaction: float | None = 5.0
    socket: float | None = 3.0

    def settings(self) -> Mapping[str, str]:
        """Give the server's part as its settings, in milliseconds; 0 is for ever."""
        limits = {
            "lock_timeout": self.lock,
            "statement_timeout": self.statement,
            "idle_in_transaction_session_timeout": self.idle_in_transaction,
        }
        return {name: f"{int((seconds or 0) * 1000)}" for name, seconds in limits.items()}


SERVICE_LIMITS: Final = Limits()
"""The limits of a service that answers requests."""


class _Session(pg8000.native.Connection):  # type: ignore[misc]  # untyped, hence Any
    """pg8000's connection, whose closing never fails and leaves nothing open."""

    def __init__(self, user: str, **parameters: object) -> None:
        """Log in; when that fails, close what pg8000 leaves open."""
        try:
            super().__init__(user, **parameters)
        except BaseException:
            self.close()
            raise

    def send(self, prepared: Any, values: Sequence[str]) -> Any:  # noqa: ANN401 - untyped
        """Send a prepared statement; give the context that its answer's messages go to."""
        self.send_BIND(prepared.name_bin, values)
        self.send_EXECUTE()
        self._sock.write(pg8000.core.SYNC_MSG)
        self._sock.flush()
        return pg8000.core.Context(prepared.statement, None, prepared.cols, prepared.input_funcs)

    def send_copy(self, prepared: Any, content: bytes) -> Any:  # noqa: ANN401 - untyped
        """Send a prepared `COPY ... FROM STDIN` with its whole content; give its context.

        pg8000 itself sends no content before the server has said that it may come.
        """
        self.send_BIND(prepared.name_bin, ())
        self.send_EXECUTE()
        for start in range(0, len(content), _SENT_AT_ONCE):
            part = content[start : start + _SENT_AT_ONCE]
            self._send_message(pg8000.core.COPY_DATA, part)
        self._sock.write(pg8000.core.COPY_DONE_MSG + pg8000.core.SYNC_MSG)
        self._sock.flush()
        return pg8000.core.Context(prepared.statement)

    def handle_COPY_IN_RESPONSE(self, data: bytes, context: Any) -> None:  # noqa: ANN401, N802
        """Learn that the content of a COPY may come, which is on its way already."""

    def take(self, answer: bytes, context: Any) -> Sequence[Row]:  # noqa: ANN401 - untyped
        """Take the messages of a whole answer; give its rows."""
        start = 0
        while start < len(answer):
            kind, length = _MESSAGE.unpack_from(answer, start)
            end = start + 1 + length
            self.message_types[kind](answer[start + _MESSAGE.size : end], context)
            start = end
        if context.error is not None:
            raise context.error
        rows: Sequence[Row] = context.rows
        return rows

    def close(self) -> None:
        """Say goodbye if the other side still listens, and close.

        pg8000 reads and writes through a file made of the socket, and the socket stays open
        until that is closed too.
        """
        file = self._sock
        with suppress(pg8000.native.Error, OSError):
            super().close()
        # Closing it flushes it first, to a socket that may be closed by now.
        with suppress(OSError, ValueError):
            if file is not None:
                file.close()


class Connection:
    """A connection that belongs to one thread at a time."""

    def __init__(self, place: str, transport: socket.socket, session: _Session) -> None:
        """Take an established session and where it leads, for messages; `connect` makes one."""
        self._place = place
        self._transport = transport
        self._session = session
        self._prepared: dict[str, Any] = {}
        self._in_step = True
        self._in_transaction = False
        self._context: Any = None
        self._answer = bytearray()
        self._message = 0
        self._heard = 0.0

    @property
    def reusable(self) -> bool:
        """Whether it is idle and in step with the server; one that is not must be closed."""
        return self._in_step and not self._in_transaction

    def run(self, statement: str, *values: str | int) -> Sequence[Row]:
        """Run one statement with the values of `$1`, `$2` and so on; prepare it once.

        Returns:
            The rows; NUMERIC comes as text.

        Raises:
            Interrupted: The connection was lost, or the server asks to try again.
            StoreUnavailable: The server did not do it.
        """
        with self._exchange():
            prepared = self._once_prepared(statement)
            rows: Sequence[Row] | None = prepared.run(
                **{f"value{number}": value for number, value in enumerate(values, start=1)},
            )
            return rows or ()

    def prepare(self, statement: str) -> None:
        """Prepare a statement, so that `send` can take it.

        Raises:
            StoreUnavailable: As `run` does.
        """
        with self._exchange():
            self._prepared[statement] = self._session.prepare(statement)

    def fileno(self) -> int:
        """Give the file number of the socket, to wait for an answer on."""
        return self._transport.fileno()

    def send(self, statement: str, *values: str) -> None:
        """Send a prepared statement, and leave its answer to `receive`.

        Raises:
            StoreUnavailable: As `run` does.
        """
        with self._exchange():
            self._context = self._session.send(self._prepared[statement], values)
            self._answer.clear()
            self._message = 0
            self._heard = monotonic()
        # Until the whole answer is there.
        self._in_step = False

    def receive(self) -> Sequence[Row] | None:
        """Take what has come of the answer, and wait for nothing.

        Returns:
            The rows; None when the answer is not whole yet.

        Raises:
            Interrupted: As `run` does.
            StoreUnavailable: As `run` does.
        """
        with self._exchange():
            if not self._receive_more():
                return None
        self._in_step = True
        with self._exchange():
            return self._session.take(bytes(self._answer), self._context)

    def _receive_more(self) -> bool:
        """Take what has come; tell whether the answer is whole."""
        seconds = self._transport.gettimeout()
        self._transport.settimeout(0)
        try:
            while not self._is_whole():
                content = self._transport.recv(_RECEIVED_AT_ONCE)
                if not content:
                    raise ConnectionResetError("the server closed the connection")
                self._answer += content
                self._heard = monotonic()
        except (BlockingIOError, ssl.SSLWantReadError):
            if seconds is not None and monotonic() - self._heard > seconds:
                raise TimeoutError from None
            return False
        finally:
            self._transport.settimeout(seconds)
        return True

    def _is_whole(self) -> bool:
        while self._message + _MESSAGE.size <= len(self._answer):
            kind, length = _MESSAGE.unpack_from(self._answer, self._message)
            end = self._message + 1 + length
            if end > len(self._answer):
                return False
            if kind == _READY:
                return True
            self._message = end
        return False

    def copy(self, statement: str, content: bytes, meanwhile: Callable[[], None]) -> None:
        """Run `COPY ... FROM STDIN` with its whole content.

        Args:
            statement: The statement.
            content: What it copies.
            meanwhile: Called when all is sent, before the answer is waited for.

        Raises:
            Duplicate: A row is there already, or twice in the content.
            StoreUnavailable: As `run` does.
        """
        with self._exchange():
            context = self._session.send_copy(self._once_prepared(statement), content)
        # Until the answer is there.
        self._in_step = False
        meanwhile()
        self._in_step = True
        with self._exchange():
            self._session.handle_messages(context)

    def _once_prepared(self, statement: str) -> Any:  # noqa: ANN401 - untyped
        prepared = self._prepared.get(statement)
        if prepared is None:
            prepared = self._prepared[statement] = self._session.prepare(statement)
        return prepared

    def script(self, sql: str) -> None:
        """Run statements that take no values and give no rows, separated by `;`.

        Raises:
            StoreUnavailable: As `run` does.
        """
        with self._exchange():
            self._session.run(sql)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what runs inside when it ends well; undo it when it ends with an exception.

        `undo` inside ends the transaction early, and nothing is committed.
        """
        self.run("BEGIN")
        self._in_transaction = True
        try:
            yield
        except BaseException:
            if self._in_transaction and self._in_step:
                self.undo()
            raise
        if self._in_transaction:
            self.run("COMMIT")
            self._in_transaction = False

    def undo(self) -> None:
        """Undo the transaction that is open, and end it."""
        self.run("ROLLBACK")
        self._in_transaction = False

    @property
    def server_certificate(self) -> bytes | None:
        """The certificate that the server has shown, as DER; None on a connection without TLS."""
        if isinstance(self._transport, ssl.SSLSocket):
            return self._transport.getpeercert(binary_form=True)
        return None

    @property
    def server_encoding(self) -> str:
        """The encoding of the database, as the server names it."""
        return str(self._session.parameter_statuses["server_encoding"])

    def is_stale(self) -> bool:
        """Tell whether the server has said something meanwhile: as a rule, that it is gone."""
        poll = select.poll()
        poll.register(self._transport, select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """Close; the server undoes what was not committed."""
        if not self._in_step:
            # A goodbye would wait for a server that may not be listening any more.
            _hang_up(self._transport)
        self._session.close()
        _hang_up(self._transport)

    @contextmanager
    def _exchange(self) -> Iterator[None]:
        """Translate what pg8000 raises, and remember whether the session can be trusted."""
        in_step, self._in_step = self._in_step, False
        try:
            yield
        except Exception as error:
            reason, code, message = _diagnosed(error)
            self._in_step = in_step and code in _HARMLESS
            interrupted = reason is Reason.UNREACHABLE or code in _TRANSIENT
            kind = Interrupted if interrupted else StoreUnavailable
            if code == _UNIQUE_VIOLATION:
                kind = Duplicate
            raise kind(reason, f"{self._place}: {message}") from error
        self._in_step = in_step


@frozen
class _Login:
    """What is the same at every host; the secrets are read once for all of them."""

    url: DatabaseUrl
    limits: Limits
    context: ssl.SSLContext | None
    password: str | None = field(repr=False)


def connect(url: DatabaseUrl, limits: Limits = SERVICE_LIMITS) -> Connection:
    """Open a connection to the first host that answers and is what the URL wants.

    Unlike libpq, it goes on to the next host whatever was wrong with one, also when that
    refused the user or could not be verified. Passwords and certificates are read from their
    files each time.

    Raises:
        StoreUnavailable: What was wrong with each host. The reason is that of the first host
            that gave an answer, if one did. No message holds the password.
    """
    try:
        password = _password(url)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        message = f"{url.place}: cannot read the password file {url.password_file}: {why}"
        raise StoreUnavailable(Reason.REFUSED, message) from error
    context = None if url.sslmode is SslMode.DISABLE else client_context(url)
    login = _Login(url, limits, context, password)
    failures = []
    for host in url.hosts:
        made = _tried(host, login)
        if isinstance(made, Connection):
            return made
        failures.append(made)
    telling = (each for each in failures if each.reason not in _NO_ANSWER)
    first = next(telling, failures[0])
    raise StoreUnavailable(first.reason, "; ".join(map(str, failures))) from first.__cause__


def _tried(host: Host, login: _Login) -> Connection | StoreUnavailable:
    """Connect to one host, or give why it cannot be had."""
    place = f"{host}/{login.url.database}"
    try:
        return _connected(host, login, place)
    # Anything: to what is no PostgreSQL server pg8000 answers with KeyError and the like.
    except Exception as error:  # noqa: BLE001 - each is reported, by its kind
        reason, _, message = _diagnosed(error, connecting_to=login.url)
        failure = StoreUnavailable(reason, f"{place}: cannot connect: {message}")
        failure.__cause__ = error
        return failure


def _connected(host: Host, login: _Login, place: str) -> Connection:
    url = login.url
    transport = _opened(host, url.connect_timeout, login.context)
    try:
        session = _Session(
            url.user,
            database=url.database,
            # Without one, pg8000 fails in its own code when the server asks for it.
            password=login.password or "",
            sock=transport,
            # The transport is secured already; pg8000 would accept less.
            ssl_context=False,
            application_name=url.application_name,
            startup_params={
                "client_encoding": "UTF8",
                "default_transaction_isolation": "read committed",
                **login.limits.settings(),
            },
        )
        if url.target_session_attrs is TargetSessionAttrs.READ_WRITE:
            _require_writable(session)
    except BaseException:
        _hang_up(transport)
        raise
    transport.settimeout(login.limits.socket)
    session.register_in_adapter(pg8000.native.NUMERIC, str)
    return Connection(place, transport, session)


def _require_writable(session: _Session) -> None:
    """Refuse a server whose transactions are read-only: a standby, or one that is set so."""
    try:
        ((read_only,),) = session.run("SHOW transaction_read_only")
    except BaseException:
        session.close()
        raise
    if read_only == "on":
        session.close()
        raise _NotWritable


def _password(url: DatabaseUrl) -> str | None:
    if url.password_file is None:
        return url.password
    return url.password_file.read_text(encoding="utf-8").rstrip("\r\n")


def _opened(host: Host, seconds: int, context: ssl.SSLContext | None) -> socket.socket:
    """Connect, and secure the connection when there is a context, before a word is said."""
    if host.socket_path is not None:
        transport = socket.socket(socket.AF_UNIX)
    else:
        transport = socket.create_connection((host.name, host.port), timeout=seconds)
    try:
        transport.settimeout(seconds)
        if host.socket_path is not None:
            transport.connect(host.socket_path)
            return transport
        transport.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return transport if context is None else _secured(transport, context, host.name)
    except BaseException:
        transport.close()
        raise


def _secured(transport: socket.socket, context: ssl.SSLContext, host: str) -> ssl.SSLSocket:
    transport.sendall(_SSL_REQUEST)
    answer = transport.recv(1)
    if not answer:
        raise ConnectionResetError("the server closed the connection when it was asked for TLS")
    if answer != _TLS_ACCEPTED:
        raise _NoTls
    return context.wrap_socket(transport, server_hostname=host)


def _hang_up(transport: socket.socket) -> None:
    """Close at once, also where pg8000 still holds a file made of the socket."""
    with suppress(OSError):
        transport.shutdown(socket.SHUT_RDWR)
    transport.close()


def _hung_up(error: ssl.SSLError) -> bool:
    return isinstance(error, ssl.SSLEOFError) or error.reason == _TLS_HUNG_UP


def _diagnosed(
    error: Exception,
    *,
    connecting_to: DatabaseUrl | None = None,
) -> tuple[Reason, str, str]:
    """Give the reason, the SQLSTATE (or nothing) and a message for what went wrong."""
    if isinstance(error, _NoTls):
        return Reason.TLS, "", "the server has no TLS; nothing was sent to it"
    if isinstance(error, _NotWritable):
        return Reason.READ_ONLY, "", "it takes no writes, and target_session_attrs asks for them"
    if isinstance(error, pg8000.native.DatabaseError):
        fields = error.args[0]
        code, message = fields["C"], fields["M"]
        reason = _REASONS_BY_CODE.get(code) or _REASONS_BY_CLASS.get(code[:2], Reason.FAILED)
        return reason, code, f"{message} (SQLSTATE {code})"
    # pg8000 wraps most errors of the socket, but not all.
    cause = error.__cause__ if isinstance(error, pg8000.native.InterfaceError) else error
    if isinstance(cause, TimeoutError):
        return Reason.TIMEOUT, "", "no answer in time"
    if isinstance(cause, ssl.SSLError) and _hung_up(cause):
        return Reason.UNREACHABLE, "", "the server hung up; its log may tell why"
    if connecting_to is not None and isinstance(cause, ssl.SSLError):
        return Reason.TLS, "", tls_problem(connecting_to, cause)
    if isinstance(cause, OSError):
        return Reason.UNREACHABLE, "", str(cause)
    if isinstance(error, pg8000.native.InterfaceError):
        return Reason.UNREACHABLE, "", str(error)
    # Only the kind: the text might repeat what was sent, such as a password.
    return Reason.FAILED, "", f"not the protocol of PostgreSQL ({type(error).__name__})"
