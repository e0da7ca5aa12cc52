"""Connecting: the first suitable host, the login, and the settings of the session."""

import socket
import ssl
from collections.abc import Mapping
from typing import Final

import pg8000.native  # type: ignore[import-untyped]  # pg8000 ships no types
from attrs import field, frozen

from orders_core import Reason, StoreUnavailable
from orders_core.plain_text import UnusableText, decoded
from orders_postgres.connection import Connection, SessionState
from orders_postgres.errors import Unsuitable, diagnose
from orders_postgres.parameters import SslMode, TargetSessionAttrs
from orders_postgres.session import Session
from orders_postgres.session_settings import (
    ISOLATION,
    SERVICE_LIMITS,
    Limits,
    for_session,
    for_transaction,
)
from orders_postgres.sql import identifier
from orders_postgres.tls import client_context
from orders_postgres.transport import close_transport, open_transport
from orders_postgres.url import DatabaseUrl, Host

_NO_SETTINGS: Final[Mapping[str, str]] = {}
# Of several failed hosts, one that answered is more informative.
_NO_ANSWER: Final = {Reason.UNREACHABLE, Reason.TIMEOUT}
_STATE: Final = """SELECT pg_backend_pid(), current_setting('transaction_read_only'),
current_setting('default_transaction_isolation'), current_setting('synchronous_commit'),
current_setting('fsync')"""


@frozen
class _Login:
    """What is the same for every host; secrets are read once for all of them."""

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
    """Connect to the first host that answers and is what the URL asks for.

    Unlike libpq, try the next host whatever was wrong with one, even if it refused the user or
    could not be verified. Passwords and certificates are read from their files each time.

    Args:
        url: The database.
        limits: How long each step may take.
        settings: Further settings of the server for this connection.

    Raises:
        StoreUnavailable: The message says what was wrong with each host, and never contains the
            password. The reason is that of the first host that answered, or of the first host.
    """
    try:
        password = _password(url)
    except (OSError, UnusableText) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        message = f"{url.address}: cannot read the password file {url.password_file}: {why}"
        raise StoreUnavailable(Reason.REFUSED, message) from error
    context = None if url.sslmode is SslMode.DISABLE else client_context(url)
    login = _Login(url, limits, {**limits.settings(), **settings}, context, password)
    failures = []
    for host in url.hosts:
        result = _try(host, login)
        if isinstance(result, Connection):
            return result
        failures.append(result)
    answered = (each for each in failures if each.reason not in _NO_ANSWER)
    first = next(answered, failures[0])
    raise StoreUnavailable(first.reason, "; ".join(map(str, failures))) from first.__cause__


def _try(host: Host, login: _Login) -> Connection | StoreUnavailable:
    """Connect to one host, or return why not."""
    address = f"{host}/{login.url.database}"
    try:
        return _connect(host, login, address)
    # Anything: if the other side is not PostgreSQL, pg8000 raises KeyError and the like.
    except Exception as error:  # noqa: BLE001 - each is reported, by its type
        found = diagnose(error, connecting_to=login.url)
        failure = StoreUnavailable(found.reason, f"{address}: cannot connect: {found.message}")
        failure.__cause__ = error
        return failure


def _connect(host: Host, login: _Login, address: str) -> Connection:
    url = login.url
    transport = open_transport(host, url, login.context)
    try:
        session = Session(
            url.user,
            url.channel_binding,
            database=url.database,
            # Without one, pg8000 fails in its own code if the server asks for it.
            password=login.password or "",
            sock=transport,
            # The transport is encrypted already; pg8000 would accept less.
            ssl_context=False,
            application_name=url.application_name,
            startup_params=_startup_parameters(url),
        )
        try:
            connection = _configured(session, transport, login, address)
        except BaseException:
            session.close()
            raise
    except BaseException:
        close_transport(transport)
        raise
    transport.settimeout(login.limits.socket)
    session.register_in_adapter(pg8000.native.NUMERIC, str)
    return connection


def _startup_parameters(url: DatabaseUrl) -> Mapping[str, str]:
    """Return only what poolers accept, unless the URL asks for more."""
    options = {} if url.options is None else {"options": url.options}
    return {"client_encoding": "UTF8", **options}


def _configured(
    session: Session,
    transport: socket.socket,
    login: _Login,
    address: str,
) -> Connection:
    """Read the state of the session, and make its settings unless a pooler answers."""
    state = _state(session)
    wanted = login.url.target_session_attrs
    if wanted is TargetSessionAttrs.READ_WRITE and state.is_read_only:
        message = "the server refuses writes, and target_session_attrs=read-write asks for them"
        raise Unsuitable(Reason.READ_ONLY, message)
    if not state.is_pooled:
        session.run(for_session(login.settings))
        return Connection(address, transport, session, state)
    _require_isolation(state, login.url.user)
    # Fails on a pooler that may use another session for each statement.
    session.run("BEGIN")
    session.run("ROLLBACK")
    return Connection(address, transport, session, state, for_transaction(login.settings))


def _state(session: Session) -> SessionState:
    ((process, read_only, isolation, synchronous_commit, fsync),) = session.run(_STATE)
    return SessionState(
        # At the login, PostgreSQL names the process of the session; a pooler names another.
        is_pooled=process != session.process,
        is_read_only=read_only == "on",
        isolation=isolation,
        synchronous_commit=synchronous_commit,
        fsync=fsync == "on",
    )


def _require_isolation(state: SessionState, user: str) -> None:
    if state.isolation != ISOLATION:
        message = (
            "behind a pooler, transactions have the server's default isolation: "
            f"{state.isolation}; it must be {ISOLATION}: ALTER ROLE {identifier(user)} "
            f"SET default_transaction_isolation = '{ISOLATION}', then let the pooler reconnect"
        )
        raise Unsuitable(Reason.REFUSED, message)


def _password(url: DatabaseUrl) -> str | None:
    if url.password_file is None:
        return url.password
    return decoded(url.password_file.read_bytes()).rstrip("\r\n")
