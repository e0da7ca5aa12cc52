"""An epoll that is full, as the kernel's may be (`max_user_watches` in epoll(7))."""

import errno
import os
import select

import pytest


def fill_epoll(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """Give every epoll that is created from now on room for this many sockets."""
    epoll = select.epoll

    class FullEpoll:
        def __init__(self) -> None:
            self._epoll = epoll()
            self.poll, self.modify = self._epoll.poll, self._epoll.modify
            self.close = self._epoll.close
            self._registered: set[int] = set()

        def register(self, number: int, events: int) -> None:
            if len(self._registered) >= room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._epoll.register(number, events)
            self._registered.add(number)

        def unregister(self, number: int) -> None:
            self._epoll.unregister(number)
            self._registered.remove(number)

    monkeypatch.setattr(select, "epoll", FullEpoll)
