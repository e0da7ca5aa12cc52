"""Parses a chunked body strictly (RFC 9112, section 7.1).

Waitress's own parser accepts a bare line feed as the end of a line, and skips empty lines. A proxy
in front may see other chunks there, and so a different next request.
"""

import re
from typing import Any, Final

from orders_http.server.waitress_internals import BadRequest

# A size, and extensions, which mean nothing here.
_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?")
_MAX_LINE_BYTES: Final = 4 * 1024


class ChunkedBody:
    """Collects a body from its chunks; has the methods that Waitress's parser calls.

    Attributes:
        completed: Whether the whole body has arrived.
        error: What is wrong with it, for Waitress to answer; None so far.
    """

    def __init__(self, buffer: Any) -> None:  # noqa: ANN401 - Waitress's buffer
        """Begin with the buffer that collects the body."""
        self.completed = False
        self.error: Any = None
        self._buffer = buffer
        self._line = b""
        self._left = 0
        self._read_line = self._read_size

    def __len__(self) -> int:
        """Return how many bytes of the body have arrived."""
        return len(self._buffer)

    def getbuf(self) -> Any:  # noqa: ANN401 - Waitress's buffer
        """Return the buffer with the body."""
        return self._buffer

    def getfile(self) -> Any:  # noqa: ANN401 - Waitress's buffer
        """Return the body as a file."""
        return self._buffer.getfile()

    def received(self, content: bytes) -> int:
        """Parse received bytes up to the body's end or an error; return how many that was."""
        rest = content
        while rest and not self.completed and self.error is None:
            rest = self._take_data(rest) if self._left else self._take_line(rest)
        return len(content) - len(rest)

    def _take_data(self, content: bytes) -> bytes:
        data = content[: self._left]
        self._buffer.append(data)
        self._left -= len(data)
        return content[len(data) :]

    def _take_line(self, content: bytes) -> bytes:
        line, end, rest = content.partition(b"\n")
        self._line += line + end
        if len(self._line) > _MAX_LINE_BYTES:
            self.error = BadRequest("a line of the chunked body is too long")
        elif end:
            whole, self._line = self._line, b""
            if whole.endswith(b"\r\n"):
                self._read_line(whole.removesuffix(b"\r\n"))
            else:
                self.error = BadRequest("a line of the chunked body does not end with CR LF")
        return rest

    def _read_size(self, line: bytes) -> None:
        size = _SIZE.fullmatch(line)
        if size is None:
            self.error = BadRequest("a chunk does not begin with its size")
            return
        self._left = int(size[1], 16)
        self._read_line = self._read_end if self._left else self._read_trailer

    def _read_end(self, line: bytes) -> None:
        if line:
            self.error = BadRequest("a chunk's length differs from its size")
        self._read_line = self._read_size

    def _read_trailer(self, line: bytes) -> None:
        # Trailer fields are dropped: nothing here may depend on them.
        self.completed = not line
