"""The event loop: waits for sockets with epoll, and calls the handlers of those that are ready."""

import select
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any, Final

from orders_http.server.waitress_internals import close_all, readwrite

_READ: Final = select.EPOLLIN
_WRITE: Final = select.EPOLLOUT
_GONE: Final = select.EPOLLHUP | select.EPOLLERR
# Even without an interest epoll reports that the other side is gone, again and again; so it is
# asked to report it once. The socket stays registered: to register it later may fail.
_PAUSED: Final = select.EPOLLONESHOT


class Loop(dict[int, Any]):
    """The sockets that are waited for, by file number: what Waitress calls its map.

    Waitress's own loop asks every socket on each pass for its interest: to read, to write, or
    neither. This loop asks a socket only after an event of it, or when it is told to.

    Attributes:
        time: Returns the time in seconds, from any beginning.
    """

    def __init__(self, time: Callable[[], float] = monotonic) -> None:
        """Begin with no socket.

        Args:
            time: Returns the time in seconds, from any beginning.
        """
        super().__init__()
        self.time = time
        self._epoll = select.epoll()
        self._interests: dict[int, int] = {}

    def __setitem__(self, number: int, channel: Any) -> None:  # noqa: ANN401 - Waitress has no types
        """Wait for a new socket to become readable.

        Raises:
            OSError: The system has no room for another one. Nothing has changed.
        """
        self._epoll.register(number, _READ)
        self._interests[number] = _READ
        super().__setitem__(number, channel)

    def __delitem__(self, number: int) -> None:
        """Forget a socket that is about to be closed."""
        super().__delitem__(number)
        del self._interests[number]
        with suppress(OSError):  # It is closed already, and the system has forgotten it.
            self._epoll.unregister(number)

    def run_once(self, timeout: float) -> None:
        """Wait for events, for at most `timeout` seconds, and handle them.

        A socket without an interest, as while a request is answered, stays registered until an
        event comes all the same: usually it has one again before that.
        """
        for number, events in self._epoll.poll(timeout):
            channel = self.get(number)
            if channel is None:
                continue  # The handler of another socket has just closed it.
            interest = _interest_of(channel)
            if not interest or events & ~interest & (_READ | _WRITE):
                self._set_interest(number, channel, interest)
            if interest:
                readwrite(channel, events & (interest | _GONE))
                if number in self and _interest_of(channel) & ~self._interests[number]:
                    self.update_interest(number)

    def update_interest(self, number: int) -> None:
        """Ask a socket for its interest."""
        channel = self[number]
        self._set_interest(number, channel, _interest_of(channel))

    def update_all_interests(self) -> None:
        """Ask every socket for its interest."""
        for number in tuple(self):
            self.update_interest(number)

    def close(self) -> None:
        """Close every socket."""
        close_all(self)
        self._epoll.close()

    def _set_interest(self, number: int, channel: Any, interest: int) -> None:  # noqa: ANN401 - Waitress has no types
        if interest == self._interests[number]:
            return
        try:
            self._epoll.modify(number, interest or _PAUSED)
        except OSError:
            # It was closed without the loop's knowledge; no event of it would come.
            channel.handle_close()
        else:
            self._interests[number] = interest


def _interest_of(channel: Any) -> int:  # noqa: ANN401 - Waitress has no types
    return (_READ if channel.readable() else 0) | (_WRITE if channel.writable() else 0)
