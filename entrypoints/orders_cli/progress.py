"""The progress display of long commands: one line of a terminal that is overwritten."""

from collections.abc import Callable
from time import monotonic
from types import TracebackType
from typing import Final, Self, TextIO

SECONDS_BETWEEN: Final = 0.1
"""A display that changes faster is unreadable."""

_TO_LINE_START: Final = "\r"
_ERASE_LINE: Final = "\x1b[K"  # ECMA-48, EL: from the cursor to the line's end


class Progress:
    """Shows on a terminal how many orders are done and how fast; elsewhere, shows nothing.

    Use it in a `with` statement, which clears the display at its end.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = monotonic) -> None:
        """Show nothing yet.

        Args:
            stream: The stream to show it on, usually standard error.
            clock: Returns the time in seconds, from any starting point.
        """
        self._stream = stream
        self._clock = clock
        self._on_terminal = stream.isatty()
        self._started = self._shown = clock()
        self._visible = False

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Clear the display."""
        self.clear()

    def show(self, count: int) -> None:
        """Show how many orders are done, unless the display has just changed."""
        now = self._clock()
        if not self._on_terminal or now - self._shown < SECONDS_BETWEEN:
            return
        rate = count / (now - self._started)
        self._write(f"{_TO_LINE_START}{count:,} orders, {rate:,.0f} a second{_ERASE_LINE}")
        self._shown = now
        self._visible = True

    def clear(self) -> None:
        """Clear the display, so that something else can be written."""
        if self._visible:
            self._write(f"{_TO_LINE_START}{_ERASE_LINE}")
            self._visible = False

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
