"""The loop: what happens to one socket because of another."""

import select
import socket
from contextlib import closing
from pathlib import Path

import pytest
from attrs import define, field

from orders_http.server.loop import Loop


@define(eq=False)
class Closing:
    """A socket with something to read, which closes another one when it is read."""

    loop: Loop
    connection: socket.socket
    other: int = 0
    reads: int = 0

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None:
        self.reads += 1
        del self.loop[self.other]

    def close(self) -> None:
        self.connection.close()


def test_a_socket_that_another_one_closed_is_passed_over() -> None:
    loop = Loop()
    pairs = [socket.socketpair() for _ in range(2)]
    channels = [Closing(loop, ours) for ours, _ in pairs]
    for channel, other in zip(channels, reversed(channels), strict=True):
        channel.other = other.connection.fileno()
        loop[channel.connection.fileno()] = channel
    with closing(loop):
        for _, theirs in pairs:
            theirs.send(b"x")
        loop.run_once(10)
        assert sum(channel.reads for channel in channels) == 1
        assert len(loop) == 1
    for pair in pairs:
        for each in pair:
            each.close()


@define(eq=False)
class Waiting:
    """A socket that notes what happens to it."""

    loop: Loop
    connection: socket.socket
    wants: bool = True
    heard: list[str] = field(factory=list)

    def readable(self) -> bool:
        return self.wants

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None:
        self.heard.append("read")
        self.connection.recv(1)

    def handle_close(self) -> None:
        self.heard.append("close")
        number = next(each for each, channel in self.loop.items() if channel is self)
        del self.loop[number]
        self.connection.close()

    def close(self) -> None:
        self.connection.close()


def test_what_cannot_be_waited_for_is_not_taken_and_nothing_has_changed(tmp_path: Path) -> None:
    loop = Loop()
    with (tmp_path / "file").open("w") as file, closing(loop):
        with pytest.raises(PermissionError):
            loop[file.fileno()] = object()
        assert dict(loop) == {}
        loop.update_all_interests()
    ours, theirs = socket.socketpair()
    with theirs:
        loop = Loop()
        loop[ours.fileno()] = channel = Waiting(loop, ours)
        with closing(loop), pytest.raises(FileExistsError):
            loop[ours.fileno()] = object()
        assert channel.heard == []


def test_a_socket_that_was_closed_behind_the_loops_back_is_forgotten() -> None:
    loop = Loop()
    ours, theirs = socket.socketpair()
    with closing(loop), theirs:
        loop[ours.fileno()] = channel = Waiting(loop, ours)
        ours.close()
        channel.wants = False
        loop.update_all_interests()
        assert channel.heard == ["close"]
        assert dict(loop) == {}


def test_a_client_that_is_gone_while_it_waits_is_told_once_and_seen_to_later() -> None:
    loop = Loop()
    ours, theirs = socket.socketpair()
    with closing(loop):
        loop[ours.fileno()] = channel = Waiting(loop, ours, wants=False)
        loop.update_all_interests()
        theirs.close()
        for _ in range(3):
            loop.run_once(0)
        # Else the loop would turn again and again for nothing.
        watching = select.poll()
        watching.register(loop._epoll.fileno(), select.POLLIN)  # noqa: SLF001 - as the kernel sees it
        assert watching.poll(0) == []
        assert channel.heard == []
        channel.wants = True
        loop.update_all_interests()
        loop.run_once(0)
        assert channel.heard == ["read", "close"]
