"""The loop: what happens to one socket because of another."""

import socket
from contextlib import closing

from attrs import define

from orders_http.loop import Loop


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
        loop.turn(10)
        assert sum(channel.reads for channel in channels) == 1
        assert len(loop) == 1
    for pair in pairs:
        for each in pair:
            each.close()
