"""The server's loop: waits for its sockets with epoll, and lets each do what it can do."""

import select
from contextlib import suppress
from typing import Any, Final

from waitress import wasyncore

_READ: Final = select.EPOLLIN
_WRITE: Final = select.EPOLLOUT
_GONE: Final = select.EPOLLHUP | select.EPOLLERR
# With nothing wanted epoll would still tell that the other side is gone, again and again. So it
# tells it once. The socket stays registered: only a new one may find no room.
_PAUSED: Final = select.EPOLLONESHOT


class Loop(dict[int, Any]):
    """The sockets that are waited for, by file number: what Waitress calls its map.

    Waitress's own loop asks every socket on each turn what it waits for. This one asks a socket
    only when something happened on it, or when it is told to.
    """

    def __init__(self) -> None:
        """Begin with no socket."""
        super().__init__()
        self._epoll = select.epoll()
        self._waiting: dict[int, int] = {}

    def __setitem__(self, number: int, channel: Any) -> None:  # noqa: ANN401 - Waitress has no types
        """Wait for a new socket to have something to read.

        Raises:
            OSError: The system has no room for one more. Nothing has changed.
        """
        self._epoll.register(number, _READ)
        self._waiting[number] = _READ
        super().__setitem__(number, channel)

    def __delitem__(self, number: int) -> None:
        """Forget a socket that is about to be closed."""
        super().__delitem__(number)
        del self._waiting[number]
        with suppress(OSError):  # It is closed already, and the system has forgotten it.
            self._epoll.unregister(number)

    def turn(self, seconds: float) -> None:
        """Wait until something happens, and let the sockets to which it happened see to it.

        A socket that wants nothing more for now, as while a request is answered, stays waited
        for until something comes all the same: most often it wants more before that.
        """
        for number, events in self._epoll.poll(seconds):
            channel = self.get(number)
            if channel is None:
                continue  # Another one closed it just now.
            wanted = _wanted(channel)
            if not wanted or events & ~wanted & (_READ | _WRITE):
                self._wait(number, channel, wanted)
            if wanted:
                wasyncore.readwrite(channel, events & (wanted | _GONE))
                if number in self and _wanted(channel) & ~self._waiting[number]:
                    self.ask(number)

    def ask(self, number: int) -> None:
        """Ask a socket what it waits for now."""
        channel = self[number]
        self._wait(number, channel, _wanted(channel))

    def ask_all(self) -> None:
        """Ask every socket what it waits for now."""
        for number in tuple(self):
            self.ask(number)

    def close(self) -> None:
        """Close every socket."""
        wasyncore.close_all(self)
        self._epoll.close()

    def _wait(self, number: int, channel: Any, wanted: int) -> None:  # noqa: ANN401 - Waitress has no types
        if wanted == self._waiting[number]:
            return
        try:
            self._epoll.modify(number, wanted or _PAUSED)
        except OSError:
            # It was closed behind the loop's back, and nothing would be heard of it.
            channel.handle_close()
        else:
            self._waiting[number] = wanted


def _wanted(channel: Any) -> int:  # noqa: ANN401 - Waitress has no types
    return (_READ if channel.readable() else 0) | (_WRITE if channel.writable() else 0)
