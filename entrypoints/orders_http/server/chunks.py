"""A chunked body, read strictly (RFC 9112, section 7.1).

Waitress's own reader takes a line feed alone for the end of a line, and passes over empty lines.
A proxy in front may see other chunks there than we do, and so another next request.
"""

import re
from typing import Any, Final

from orders_http.server.waitress_internals import BadRequest

# A size, and extensions, which mean nothing here.
_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?")
_MAX_LINE_BYTES: Final = 4 * 1024


class ChunkedBody:
    """Collects the bytes of a body from its chunks, in the way that Waitress's parser asks for.

    Attributes:
        completed: Whether the whole body was there.
        error: What was wrong, for Waitress to answer with.
    """

    def __init__(self, buffer: Any) -> None:  # noqa: ANN401 - Waitress's buffer
        """Take the buffer that the body goes to."""
        self.completed = False
        self.error: Any = None
        self._buffer = buffer
        self._line = b""
        self._left = 0
        self._read_line = self._read_size

    def __len__(self) -> int:
        """Count the bytes of the body so far."""
        return len(self._buffer)

    def getbuf(self) -> Any:  # noqa: ANN401 - Waitress's buffer
        """Give the buffer that the body is in."""
        return self._buffer

    def getfile(self) -> Any:  # noqa: ANN401 - Waitress's buffer
        """Give the body as a file."""
        return self._buffer.getfile()

    def received(self, content: bytes) -> int:
        """Take what came, up to the body's end or an error; tell how many bytes that was."""
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
            self.error = BadRequest("a chunk is not as long as its size says")
        self._read_line = self._read_size

    def _read_trailer(self, line: bytes) -> None:
        # What stands in a trailer is dropped: nothing here may depend on it.
        self.completed = not line
