"""One session in PostgreSQL's protocol: what pg8000 lacks or does differently."""

import struct
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import pg8000.core  # type: ignore[import-untyped]  # pg8000 ships no types
import pg8000.native  # type: ignore[import-untyped]  # the same

from orders_core import Reason
from orders_postgres.errors import Unsuitable
from orders_postgres.parameters import ChannelBinding

Row = Sequence[Any]
"""One row of a result: text, integers, booleans or None."""

MESSAGE: Final = struct.Struct("!ci")
"""The header of each message from the server: its type, and its length without the type."""

# The server processes the first part while the others are on their way.
_COPY_PART_SIZE: Final = 64 * 1024
_NO_NAME: Final = b"\x00"
_PORTAL: Final = b"P"
_FIRST_FIELD: Final = struct.Struct("!i")
# PostgreSQL, "SASL Authentication": after each request of the server, the only valid next one.
_SASL: Final = 10
_BOUND_LOGIN: Final = {None: _SASL, _SASL: 11, 11: 12, 12: 0}
_BOUND_MECHANISM: Final = b"SCRAM-SHA-256-PLUS"
_NOT_BOUND: Final = "channel_binding=require, but the server asks for a login without it"
# The server's function that warns when a commit stops waiting for its standby. The text of the
# warning depends on the server's language.
_STANDBY_WAIT: Final = b"SyncRepWaitForLSN"


class Session(pg8000.native.Connection):  # type: ignore[misc]  # untyped, hence Any
    """pg8000's connection; closing it never fails and leaves nothing open."""

    def __init__(self, user: str, binding: ChannelBinding, **parameters: object) -> None:
        """Log in; if that fails, close what pg8000 leaves open."""
        self._binding = binding
        self._asked: int | None = None
        self._usock: Any
        self._prepared: dict[str, Any] = {}
        try:
            super().__init__(user, **parameters)
        except BaseException:
            self.close()
            raise

    def handle_AUTHENTICATION_REQUEST(self, data: bytes, context: Any) -> None:  # noqa: ANN401, N802
        """Answer a request of the server at the login, as far as channel binding allows."""
        (asked,) = _FIRST_FIELD.unpack_from(data)
        if self._binding is ChannelBinding.REQUIRE:
            code, mechanisms = data[: _FIRST_FIELD.size], data[_FIRST_FIELD.size :]
            offers = asked != _SASL or _BOUND_MECHANISM in mechanisms.split(_NO_NAME)
            if asked != _BOUND_LOGIN.get(self._asked) or not offers:
                raise Unsuitable(Reason.REFUSED, _NOT_BOUND)
            if asked == _SASL:
                data = code + _BOUND_MECHANISM + 2 * _NO_NAME
            self._asked = asked
        transport = self._usock
        if self._binding is ChannelBinding.DISABLE:
            # pg8000 uses channel binding whenever it sees TLS.
            self._usock = None
        try:
            super().handle_AUTHENTICATION_REQUEST(data, context)
        finally:
            self._usock = transport

    def is_prepared(self, statement: str) -> bool:
        """Return whether a statement was prepared."""
        return statement in self._prepared

    def prepare_named(self, statement: str) -> None:
        """Prepare a statement that was not prepared yet."""
        self._prepared[statement] = self.prepare(statement)

    def send(self, statement: str, values: Sequence[str]) -> Any:  # noqa: ANN401 - untyped
        """Send a prepared statement; return the context that collects its result."""
        prepared = self._prepared[statement]
        self.send_BIND(prepared.name_bin, values)
        self.send_EXECUTE()
        return pg8000.core.Context(prepared.statement, None, prepared.cols, prepared.input_funcs)

    def send_unprepared(self, statement: str, values: Sequence[str]) -> Any:  # noqa: ANN401 - untyped
        """Send a statement that is not prepared; return its context."""
        self.send_PARSE(_NO_NAME, statement)
        self.send_BIND(_NO_NAME, values)
        self._send_message(pg8000.core.DESCRIBE, _PORTAL + _NO_NAME)
        self.send_EXECUTE()
        return pg8000.core.Context(statement, None, ())

    def send_copy_data(self, content: bytes) -> None:
        """Send the whole content of a `COPY ... FROM STDIN` statement that was just sent.

        pg8000 itself would wait for the server's CopyInResponse first.
        """
        for start in range(0, len(content), _COPY_PART_SIZE):
            part = content[start : start + _COPY_PART_SIZE]
            self._send_message(pg8000.core.COPY_DATA, part)
        self._sock.write(pg8000.core.COPY_DONE_MSG)

    def sync(self) -> None:
        """End the message: now the server commits and answers."""
        self._sock.write(pg8000.core.SYNC_MSG)
        self._sock.flush()

    def handle_messages(self, context: Any) -> None:  # noqa: ANN401 - untyped
        """Wait for a whole result; if the server disconnects, raise its last error."""
        try:
            super().handle_messages(context)
        except pg8000.native.InterfaceError as error:
            if context.error is None or error is context.error:
                raise
            fields = context.error.args[0]
            last_words = f"{fields['M']} (SQLSTATE {fields['C']})"
            raise pg8000.native.InterfaceError(last_words) from error

    def handle_COPY_IN_RESPONSE(self, data: bytes, context: Any) -> None:  # noqa: ANN401, N802
        """Do nothing: the content of the COPY was sent already."""

    def decode(self, answer: bytes, context: Any) -> Sequence[Row]:  # noqa: ANN401 - untyped
        """Decode the messages of a whole result; return its rows."""
        start = 0
        while start < len(answer):
            kind, length = MESSAGE.unpack_from(answer, start)
            end = start + 1 + length
            self.message_types[kind](answer[start + MESSAGE.size : end], context)
            start = end
        if context.error is not None:
            raise context.error
        rows: Sequence[Row] = context.rows
        return rows

    @property
    def process(self) -> int:
        """The server's process, as reported at the login; 0 if it was not reported."""
        (number,) = _FIRST_FIELD.unpack_from(self._backend_key_data or bytes(_FIRST_FIELD.size))
        return int(number)

    def warned_of_unreplicated_commit(self) -> bool:
        """Return whether the server has warned of an unreplicated commit since the last call."""
        warned = False
        while self.notices:
            warned |= self.notices.popleft().get(b"R") == _STANDBY_WAIT
        return warned

    def close(self) -> None:
        """Send a goodbye if possible, and close.

        pg8000 reads and writes through a file made from the socket; the socket stays open until
        that file is closed too.
        """
        file = self._sock
        with suppress(pg8000.native.Error, OSError):
            super().close()
        # Closing flushes first, to a socket that may be closed by now.
        with suppress(OSError, ValueError):
            if file is not None:
                file.close()
