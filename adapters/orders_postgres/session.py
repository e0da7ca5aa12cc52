"""One session with PostgreSQL, in its protocol: what pg8000 lacks or does differently."""

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
"""One row of an answer: text, whole numbers, truth values or None."""

MESSAGE: Final = struct.Struct("!ci")
"""The head of every message of the server: its kind, and its length without the kind."""

# The server is at work on the first part while the others are on their way.
_SENT_AT_ONCE: Final = 64 * 1024
_NO_NAME: Final = b"\x00"
_PORTAL: Final = b"P"
_FIRST_FIELD: Final = struct.Struct("!i")
# PostgreSQL, "SASL Authentication": what a server asks for, one after the other.
_SASL: Final = 10
_BOUND_LOGIN: Final = {None: _SASL, _SASL: 11, 11: 12, 12: 0}
_BOUND_MECHANISM: Final = b"SCRAM-SHA-256-PLUS"
_NOT_BOUND: Final = "channel_binding=require, and the server asks for a log-in without it"
# The function of the server that warns when a commit stops waiting for its standby: the text of
# the warning is in the server's language.
_STANDBY_WAIT: Final = b"SyncRepWaitForLSN"


class Session(pg8000.native.Connection):  # type: ignore[misc]  # untyped, hence Any
    """pg8000's connection, whose closing never fails and leaves nothing open."""

    def __init__(self, user: str, binding: ChannelBinding, **parameters: object) -> None:
        """Log in; when that fails, close what pg8000 leaves open."""
        self._binding = binding
        self._asked: int | None = None
        self._usock: Any
        self._kept: dict[str, Any] = {}
        try:
            super().__init__(user, **parameters)
        except BaseException:
            self.close()
            raise

    def handle_AUTHENTICATION_REQUEST(self, data: bytes, context: Any) -> None:  # noqa: ANN401, N802
        """Answer what the server asks for at the log-in, as far as channel binding allows."""
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
            # pg8000 binds whenever it sees that there is TLS.
            self._usock = None
        try:
            super().handle_AUTHENTICATION_REQUEST(data, context)
        finally:
            self._usock = transport

    def knows(self, statement: str) -> bool:
        """Tell whether a statement was prepared."""
        return statement in self._kept

    def keep(self, statement: str) -> None:
        """Prepare a statement that is not known yet."""
        self._kept[statement] = self.prepare(statement)

    def send(self, statement: str, values: Sequence[str]) -> Any:  # noqa: ANN401 - untyped
        """Send a statement that was prepared; give the context that its answer goes to."""
        prepared = self._kept[statement]
        self.send_BIND(prepared.name_bin, values)
        self.send_EXECUTE()
        return pg8000.core.Context(prepared.statement, None, prepared.cols, prepared.input_funcs)

    def send_unprepared(self, statement: str, values: Sequence[str]) -> Any:  # noqa: ANN401 - untyped
        """Send a statement that the server need not know, nor keep; give its context."""
        self.send_PARSE(_NO_NAME, statement)
        self.send_BIND(_NO_NAME, values)
        self._send_message(pg8000.core.DESCRIBE, _PORTAL + _NO_NAME)
        self.send_EXECUTE()
        return pg8000.core.Context(statement, None, ())

    def send_content(self, content: bytes) -> None:
        """Send the whole content of a `COPY ... FROM STDIN` that was sent just now.

        pg8000 itself sends no content before the server has said that it may come.
        """
        for start in range(0, len(content), _SENT_AT_ONCE):
            part = content[start : start + _SENT_AT_ONCE]
            self._send_message(pg8000.core.COPY_DATA, part)
        self._sock.write(pg8000.core.COPY_DONE_MSG)

    def end(self) -> None:
        """End what was sent: now the server commits and answers."""
        self._sock.write(pg8000.core.SYNC_MSG)
        self._sock.flush()

    def handle_messages(self, context: Any) -> None:  # noqa: ANN401 - untyped
        """Wait for a whole answer; when the server hangs up, raise with its last error."""
        try:
            super().handle_messages(context)
        except pg8000.native.InterfaceError as error:
            if context.error is None or error is context.error:
                raise
            fields = context.error.args[0]
            last_words = f"{fields['M']} (SQLSTATE {fields['C']})"
            raise pg8000.native.InterfaceError(last_words) from error

    def handle_COPY_IN_RESPONSE(self, data: bytes, context: Any) -> None:  # noqa: ANN401, N802
        """Do nothing: the content of the COPY is on its way already."""

    def decode(self, answer: bytes, context: Any) -> Sequence[Row]:  # noqa: ANN401 - untyped
        """Take the messages of a whole answer; give its rows."""
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
        """The server's process, as named at the log-in; 0 when it was not named."""
        (number,) = _FIRST_FIELD.unpack_from(self._backend_key_data or bytes(_FIRST_FIELD.size))
        return int(number)

    def unreplicated(self) -> bool:
        """Tell whether the server has warned of an unreplicated commit since the last call."""
        warned = False
        while self.notices:
            warned |= self.notices.popleft().get(b"R") == _STANDBY_WAIT
        return warned

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
