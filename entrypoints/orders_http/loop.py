"""The server's loop: waits for its sockets with epoll, and lets each do what it can do."""

import select
from typing import Any, Final

from waitress import wasyncore

_READ: Final = select.EPOLLIN
_WRITE: Final = select.EPOLLOUT
_GONE: Final = select.EPOLLHUP | select.EPOLLERR


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
        """Wait for a new socket to have something to read."""
        super().__setitem__(number, channel)
        self._wait(number, _READ)

    def __delitem__(self, number: int) -> None:
        """Forget a socket that is about to be closed."""
        super().__delitem__(number)
        self._wait(number, 0)
        del self._waiting[number]

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
                self._wait(number, wanted)
            if wanted:
                wasyncore.readwrite(channel, events & (wanted | _GONE))
                if number in self and _wanted(channel) & ~self._waiting[number]:
                    self.ask(number)

    def ask(self, number: int) -> None:
        """Ask a socket what it waits for now."""
        self._wait(number, _wanted(self[number]))

    def ask_all(self) -> None:
        """Ask every socket what it waits for now."""
        for number in self:
            self.ask(number)

    def close(self) -> None:
        """Close every socket."""
        wasyncore.close_all(self)
        self._epoll.close()

    def _wait(self, number: int, wanted: int) -> None:
        waiting = self._waiting.get(number, 0)
        if wanted == waiting:
            return
        self._waiting[number] = wanted
        # With nothing wanted epoll would still tell that the other side is gone, again and again.
        if not wanted:
            self._epoll.unregister(number)
        elif not waiting:
            self._epoll.register(number, wanted)
        else:
            self._epoll.modify(number, wanted)


def _wanted(channel: Any) -> int:  # noqa: ANN401 - Waitress has no types
    return (_READ if channel.readable() else 0) | (_WRITE if channel.writable() else 0)
