"""The loop: sockets that are closed, full or gone at inconvenient moments."""

import select
import socket
from contextlib import closing
from pathlib import Path

import pytest
from attrs import define, field

from orders_http.server.loop import Loop


@define(eq=False)
class Closing:
    """A readable socket whose handler closes another one."""

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


def test_a_socket_that_another_handler_closed_is_skipped() -> None:
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
class Recorder:
    """A socket that records its events."""

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


def test_a_socket_that_cannot_be_registered_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    loop = Loop()
    with (tmp_path / "file").open("w") as file, closing(loop):
        with pytest.raises(PermissionError):
            loop[file.fileno()] = object()
        assert dict(loop) == {}
        loop.update_all_interests()
    ours, theirs = socket.socketpair()
    with theirs:
        loop = Loop()
        loop[ours.fileno()] = channel = Recorder(loop, ours)
        with closing(loop), pytest.raises(FileExistsError):
            loop[ours.fileno()] = object()
        assert channel.heard == []


def test_a_socket_closed_without_the_loops_knowledge_is_removed() -> None:
    loop = Loop()
    ours, theirs = socket.socketpair()
    with closing(loop), theirs:
        loop[ours.fileno()] = channel = Recorder(loop, ours)
        ours.close()
        channel.wants = False
        loop.update_all_interests()
        assert channel.heard == ["close"]
        assert dict(loop) == {}


def test_a_client_that_leaves_while_it_waits_is_reported_once_and_handled_later() -> None:
    loop = Loop()
    ours, theirs = socket.socketpair()
    with closing(loop):
        loop[ours.fileno()] = channel = Recorder(loop, ours, wants=False)
        loop.update_all_interests()
        theirs.close()
        for _ in range(3):
            loop.run_once(0)
        # Otherwise the loop would spin.
        watching = select.poll()
        watching.register(loop._epoll.fileno(), select.POLLIN)  # noqa: SLF001 - as the kernel sees it
        assert watching.poll(0) == []
        assert channel.heard == []
        channel.wants = True
        loop.update_all_interests()
        loop.run_once(0)
        assert channel.heard == ["read", "close"]
