"""One connection to PostgreSQL: with its session, all that knows pg8000.

Every failure leaves here as `StoreUnavailable`, and a connection always knows whether it may be
used again.
"""

import select
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any, Final

import pg8000.native  # type: ignore[import-untyped]  # pg8000 ships no types
from attrs import field, frozen

from orders_core import Reason, StoreUnavailable
from orders_postgres.names import quoted
from orders_postgres.parameters import SslMode, TargetSessionAttrs
from orders_postgres.session import MESSAGE, Row, Session, Unsuitable
from orders_postgres.settings import (
    ISOLATION,
    SERVICE_LIMITS,
    Limits,
    for_session,
    for_transaction,
)
from orders_postgres.tls import client_context, tls_problem
from orders_postgres.url import DatabaseUrl, Host

# PostgreSQL, "Message Formats": SSLRequest.
_SSL_REQUEST: Final = bytes.fromhex("00000008 04d2162f")
_TLS_ACCEPTED: Final = b"S"
_READY: Final = b"Z"
_RECEIVED_AT_ONCE: Final = 64 * 1024
_NO_TLS: Final = "the server has no TLS; nothing was sent to it"
_NOT_WRITABLE: Final = "it takes no writes, and target_session_attrs asks for them"
# What PgBouncer in mode "statement" answers to BEGIN before it hangs up.
_NO_TRANSACTIONS: Final = "statement pooling mode"
_BYTE_ORDER_MARK: Final = "\ufeff"
_HAS_MARK: Final = "it begins with a byte order mark (U+FEFF); save it as UTF-8 without one"
# What `SessionState` tells.
_SESSION: Final = """SELECT pg_backend_pid(), current_setting('transaction_read_only'),
current_setting('default_transaction_isolation'), current_setting('synchronous_commit'),
current_setting('fsync')"""
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


_NO_SETTINGS: Final[Mapping[str, str]] = {}

# Of several hosts that cannot be had, one that gave an answer tells more.
_NO_ANSWER: Final = {Reason.UNREACHABLE, Reason.TIMEOUT}


class Interrupted(StoreUnavailable):
    """Work was cut short, and the same work on another connection may well succeed at once."""


class Duplicate(StoreUnavailable):
    """A row with the same key is there already; the statement changed nothing."""


def _wrong_isolation(isolation: str, user: str) -> Unsuitable:
    message = (
        "behind a pooler, transactions have the isolation that the server gives them: "
        f"{isolation}; it must be {ISOLATION}: ALTER ROLE {quoted(user)} "
        f"SET default_transaction_isolation = '{ISOLATION}', then let the pooler reconnect"
    )
    return Unsuitable(Reason.REFUSED, message)


@frozen
class SessionState:
    """What a session was like when it began, before any of its settings was changed.

    Attributes:
        is_pooled: Whether a pooler such as PgBouncer answers in the server's place. It may lend
            another of its sessions for each transaction.
        is_read_only: Whether it takes no writes.
        isolation: The isolation of its transactions, `default_transaction_isolation`.
        synchronous_commit: How far a commit went before it was reported.
        fsync: Whether the server waits for its disk at all.
    """

    is_pooled: bool
    is_read_only: bool
    isolation: str
    synchronous_commit: str
    fsync: bool


class Connection:
    """A connection that belongs to one thread at a time.

    Behind a pooler, the next transaction may come to another session of the server. Nothing that
    is needed is kept in a session there: each transaction begins with its settings, in the same
    message as its first statement, and no statement is prepared beforehand.
    """

    def __init__(
        self,
        place: str,
        transport: socket.socket,
        session: Session,
        state: SessionState,
        settings: str = "",
    ) -> None:
        """Take an established session; `connect` makes one.

        Args:
            place: Where it leads, for messages.
            transport: The socket.
            session: The session.
            state: What it was like when it began.
            settings: The statement that each transaction begins with, behind a pooler.
        """
        self.state: Final = state
        self._place = place
        self._transport = transport
        self._session = session
        self._settings = settings
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

    def discard(self) -> None:
        """Let nobody use it again: it leads to the wrong server."""
        self._in_step = False

    def run(self, statement: str, *values: str | int) -> Sequence[Row]:
        """Run one statement with the values of `$1`, `$2` and so on; prepare it once.

        Returns:
            The rows; NUMERIC comes as text.

        Raises:
            Interrupted: The connection was lost, or the server asks to try again.
            StoreUnavailable: The server did not do it.
        """
        self.prepare(statement)
        with self._exchange():
            context = self._send(statement, [str(value) for value in values])
            self._session.end()
            self._session.handle_messages(context)
            rows: Sequence[Row] = context.rows or ()
            return rows

    def prepare(self, statement: str) -> None:
        """Prepare a statement, so that `send` can take it; nothing to do behind a pooler.

        Raises:
            StoreUnavailable: As `run` does.
        """
        if not self.state.is_pooled and not self._session.knows(statement):
            with self._exchange():
                self._session.keep(statement)

    def _send(self, statement: str, values: Sequence[str]) -> Any:  # noqa: ANN401 - untyped
        """Send a statement, but for what ends it; give the context that its answer goes to."""
        if not self.state.is_pooled:
            return self._session.send(statement, values)
        if not self._in_transaction:
            self._session.send_anew(self._settings, ())
        return self._session.send_anew(statement, values)

    def fileno(self) -> int:
        """Give the file number of the socket, to wait for an answer on."""
        return self._transport.fileno()

    def send(self, statement: str, *values: str) -> None:
        """Send a statement, and leave its answer to `receive`.

        Raises:
            StoreUnavailable: As `run` does.
        """
        with self._exchange():
            self._context = self._send(statement, values)
            self._session.end()
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
        while self._message + MESSAGE.size <= len(self._answer):
            kind, length = MESSAGE.unpack_from(self._answer, self._message)
            end = self._message + 1 + length
            if end > len(self._answer):
                return False
            if kind == _READY:
                return True
            self._message = end
        return False

    def copy(self, statement: str, content: bytes) -> None:
        """Run `COPY ... FROM STDIN` with its whole content.

        Args:
            statement: The statement.
            content: What it copies.

        Raises:
            Duplicate: A row is there already, or twice in the content.
            StoreUnavailable: As `run` does.
        """
        self.prepare(statement)
        with self._exchange():
            context = self._send(statement, ())
            self._session.send_content(content)
            self._session.end()
            self._session.handle_messages(context)

    def script(self, sql: str) -> None:
        """Run statements that take no values and give no rows, separated by `;`.

        Raises:
            StoreUnavailable: As `run` does.
        """
        self.script_alone(sql if self._in_transaction else self._settings_before(sql))

    def script_alone(self, statement: str) -> None:
        """Run one statement that the server takes only alone, since it commits by itself.

        Behind a pooler it has none of our settings.

        Raises:
            StoreUnavailable: As `run` does.
        """
        with self._exchange():
            self._session.run(statement)

    def _settings_before(self, sql: str) -> str:
        return f"{self._settings}; {sql}" if self._settings else sql

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what runs inside when it ends well; undo it when it ends with an exception.

        `undo` inside ends the transaction early, and nothing is committed.
        """
        begin = f"BEGIN ISOLATION LEVEL {ISOLATION}"
        self.script_alone(f"{begin}; {self._settings}" if self._settings else begin)
        self._in_transaction = True
        try:
            yield
        except BaseException:
            if self._in_transaction and self._in_step:
                self.undo()
            raise
        if self._in_transaction:
            self.script_alone("COMMIT")
            self._in_transaction = False

    def undo(self) -> None:
        """Undo the transaction that is open, and end it."""
        self.script_alone("ROLLBACK")
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
        if self._session.unreplicated():
            message = "no synchronous standby has confirmed the commit, and the wait was cut short"
            raise StoreUnavailable(Reason.TIMEOUT, f"{self._place}: {message}")
        self._in_step = in_step


@frozen
class _Login:
    """What is the same at every host; the secrets are read once for all of them."""

    url: DatabaseUrl
    limits: Limits
    settings: Mapping[str, str]
    context: ssl.SSLContext | None
    password: str | None = field(repr=False)


def connect(
    url: DatabaseUrl,
    limits: Limits = SERVICE_LIMITS,
    settings: Mapping[str, str] = _NO_SETTINGS,
) -> Connection:
    """Open a connection to the first host that answers and is what the URL wants.

    Unlike libpq, it goes on to the next host whatever was wrong with one, also when that
    refused the user or could not be verified. Passwords and certificates are read from their
    files each time.

    Args:
        url: Where the database is.
        limits: How long each step may take.
        settings: Further settings of the server, that hold for what runs on the connection.

    Raises:
        StoreUnavailable: What was wrong with each host. The reason is that of the first host
            that gave an answer, if one did. No message holds the password.
    """
    try:
        password = _password(url)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else _why_not_text(error)
        message = f"{url.address}: cannot read the password file {url.password_file}: {why}"
        raise StoreUnavailable(Reason.REFUSED, message) from error
    context = None if url.sslmode is SslMode.DISABLE else client_context(url)
    login = _Login(url, limits, {**limits.settings(), **settings}, context, password)
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
    transport = _opened(host, url, login.context)
    try:
        session = Session(
            url.user,
            url.channel_binding,
            database=url.database,
            # Without one, pg8000 fails in its own code when the server asks for it.
            password=login.password or "",
            sock=transport,
            # The transport is secured already; pg8000 would accept less.
            ssl_context=False,
            application_name=url.application_name,
            startup_params=_startup_parameters(url),
        )
        try:
            connection = _prepared(session, transport, login, place)
        except BaseException:
            session.close()
            raise
    except BaseException:
        _hang_up(transport)
        raise
    transport.settimeout(login.limits.socket)
    session.register_in_adapter(pg8000.native.NUMERIC, str)
    return connection


def _startup_parameters(url: DatabaseUrl) -> Mapping[str, str]:
    """Give the startup parameters: only what poolers accept, unless the URL asks for more."""
    options = {} if url.options is None else {"options": url.options}
    return {"client_encoding": "UTF8", **options}


def _prepared(
    session: Session,
    transport: socket.socket,
    login: _Login,
    place: str,
) -> Connection:
    """Read the state of the session, and set its settings unless a pooler answers."""
    ((process, read_only, isolation, synchronous_commit, fsync),) = session.run(_SESSION)
    state = SessionState(
        # PostgreSQL names the session's own process at the log-in; a pooler names another.
        is_pooled=process != session.process,
        is_read_only=read_only == "on",
        isolation=isolation,
        synchronous_commit=synchronous_commit,
        fsync=fsync == "on",
    )
    wanted = login.url.target_session_attrs
    if wanted is TargetSessionAttrs.READ_WRITE and state.is_read_only:
        raise Unsuitable(Reason.READ_ONLY, _NOT_WRITABLE)
    if state.is_pooled:
        if isolation != ISOLATION:
            raise _wrong_isolation(isolation, login.url.user)
        _require_transactions(session)
        each_time = for_transaction(login.settings)
        return Connection(place, transport, session, state, each_time)
    session.run(for_session(login.settings))
    return Connection(place, transport, session, state)


def _require_transactions(session: Session) -> None:
    """Refuse a pooler that may lend another session for each statement."""
    session.run("BEGIN")
    session.run("ROLLBACK")


def _password(url: DatabaseUrl) -> str | None:
    if url.password_file is None:
        return url.password
    text = url.password_file.read_text(encoding="utf-8").rstrip("\r\n")
    if text.startswith(_BYTE_ORDER_MARK):
        raise ValueError(_HAS_MARK)
    return text


def _why_not_text(error: ValueError) -> str:
    """Say what is wrong with a text without repeating any of it."""
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)


def _opened(host: Host, url: DatabaseUrl, context: ssl.SSLContext | None) -> socket.socket:
    """Connect, and secure the connection when there is a context, before a word is said."""
    seconds = url.connect_timeout
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
        _keep_alive(transport, url)
        return transport if context is None else _secured(transport, context, host.name)
    except BaseException:
        transport.close()
        raise


def _keep_alive(transport: socket.socket, url: DatabaseUrl) -> None:
    transport.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, int(url.keepalives))
    numbers = {
        socket.TCP_KEEPIDLE: url.keepalives_idle,
        socket.TCP_KEEPINTVL: url.keepalives_interval,
        socket.TCP_KEEPCNT: url.keepalives_count,
        socket.TCP_USER_TIMEOUT: url.tcp_user_timeout,
    }
    for option, number in numbers.items():
        if number:
            transport.setsockopt(socket.IPPROTO_TCP, option, number)


def _secured(transport: socket.socket, context: ssl.SSLContext, host: str) -> ssl.SSLSocket:
    transport.sendall(_SSL_REQUEST)
    answer = transport.recv(1)
    if not answer:
        raise ConnectionResetError("the server closed the connection when it was asked for TLS")
    if answer != _TLS_ACCEPTED:
        raise Unsuitable(Reason.TLS, _NO_TLS)
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
    if isinstance(error, Unsuitable):
        return error.reason, "", str(error)
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
        said = str(error)
        refused = _NO_TRANSACTIONS in said
        hint = "; set pool_mode = session or transaction in pgbouncer.ini" if refused else ""
        return Reason.REFUSED if refused else Reason.UNREACHABLE, "", f"{said}{hint}"
    # Only the kind: the text might repeat what was sent, such as a password.
    return Reason.FAILED, "", f"not the protocol of PostgreSQL ({type(error).__name__})"
