"""A TCP proxy in front of a real server, which simulates a bad network."""

import socket
import struct
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from selectors import EVENT_READ, DefaultSelector
from threading import Event, Thread
from time import monotonic
from typing import Final

from attrs import define, field

from tests.postgres_server import HOST, free_port

_POLL_SECONDS: Final = 0.02
_CHUNK: Final = 1 << 20
_DRIP_SECONDS: Final = 0.002
# socket(7), SO_LINGER: closing resets the connection, and drops unsent data.
_RESET: Final = struct.pack("ii", 1, 0)
# PostgreSQL, "Message Formats": ReadyForQuery, idle: the request is done and committed.
_DONE: Final = b"Z\x00\x00\x00\x05I"


@define(eq=False)
class _Flow:
    """One direction of a connection, and the bytes in transit."""

    source: socket.socket
    sink: socket.socket
    from_client: bool
    waiting: deque[tuple[float, bytes]] = field(factory=deque)


@define(eq=False)
class Proxy:
    """Forwards bytes in both directions, with the faults that the attributes select.

    Attributes:
        port: Where it listens.
        cut_before: Reset the connection, once, when the client sends these bytes; they do not
            arrive.
        cut_after: Reset the connection, once, when the server has committed the request that
            contained these bytes; the end of the answer does not arrive.
        silent: Drop all data, on old connections and on new ones.
        latency: The delay in each direction, in seconds.
        drips: Forward bytes one by one.
        deaf: Accept new connections, and do nothing with them.
        refuses: Do not listen, so that new connections are refused.
        cuts: How often `cut_before` or `cut_after` has reset a connection.
        lost: How often data was dropped.
    """

    port: int
    _target: int
    cut_before: bytes | None = None
    cut_after: bytes | None = None
    silent: bool = False
    latency: float = 0.0
    drips: bool = False
    deaf: bool = False
    refuses: bool = False
    cuts: int = 0
    lost: int = 0
    _resetting: bool = False
    _awaiting: bool = False
    _listener: socket.socket | None = None
    _flows: dict[socket.socket, _Flow] = field(factory=dict)
    _unheard: list[socket.socket] = field(factory=list)
    _selector: DefaultSelector = field(factory=DefaultSelector)

    def reset_all(self) -> None:
        """Reset every current connection."""
        self._resetting = True

    def serve(self, stopped: Event) -> None:
        """Forward until stopped."""
        while not stopped.is_set():
            self.listen()
            busy = any(flow.waiting for flow in self._flows.values())
            for key, _ in self._selector.select(_DRIP_SECONDS if busy else _POLL_SECONDS):
                assert isinstance(key.fileobj, socket.socket)
                if key.fileobj is self._listener:
                    self._accept(self._listener)
                elif key.fileobj in self._flows:
                    self._read(self._flows[key.fileobj])
            for flow in list(self._flows.values()):
                if flow.source in self._flows:
                    self._forward(flow)
            if self._resetting:
                self._reset_each()
                self._resetting = False
        self._reset_each()
        if self._listener is not None:
            self._listener.close()
        self._selector.close()

    def listen(self) -> None:
        """Listen, or stop listening, as `refuses` says."""
        if self.refuses and self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None
        elif not self.refuses and self._listener is None:
            self._listener = socket.create_server((HOST, self.port))
            self._selector.register(self._listener, EVENT_READ)

    def _accept(self, listener: socket.socket) -> None:
        client, _ = listener.accept()
        if self.deaf or self.silent:
            self.lost += 1
            self._unheard.append(client)
            return
        try:
            server = socket.create_connection((HOST, self._target))
        except ConnectionError:
            _reset(client)
            return
        for each in (client, server):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for source, sink in ((client, server), (server, client)):
            self._flows[source] = _Flow(source, sink, source is client)
            self._selector.register(source, EVENT_READ)

    def _read(self, flow: _Flow) -> None:
        try:
            data = flow.source.recv(_CHUNK)
        except ConnectionError:
            self._end(flow, reset=True)
            return
        if not data:
            self._selector.unregister(flow.source)
        if self._is_where_to_cut(flow, data):
            self._end(flow, reset=True)
        elif data and self.silent:
            self.lost += 1
        else:
            # The end of the stream, an empty read, is forwarded in its turn.
            flow.waiting.append((monotonic() + self.latency, data))

    def _forward(self, flow: _Flow) -> None:
        """Send the bytes whose delay has passed."""
        while flow.waiting and flow.waiting[0][0] <= monotonic():
            due, data = flow.waiting.popleft()
            if not data:
                self._end(flow, reset=False)
                return
            now, later = (data[:1], data[1:]) if self.drips else (data, b"")
            with suppress(ConnectionError):
                flow.sink.sendall(now)
            if later:
                flow.waiting.appendleft((due, later))
                return

    def _is_where_to_cut(self, flow: _Flow, data: bytes) -> bool:
        if flow.from_client:
            if self.cut_before is not None and self.cut_before in data:
                self.cut_before = None
            else:
                if self.cut_after is not None and self.cut_after in data:
                    self.cut_after, self._awaiting = None, True
                return False
        elif self._awaiting and _DONE in data:
            self._awaiting = False
        else:
            return False
        self.cuts += 1
        return True

    def _reset_each(self) -> None:
        for flow in list(self._flows.values()):
            if flow.from_client:
                self._end(flow, reset=True)
        while self._unheard:
            _reset(self._unheard.pop())

    def _end(self, flow: _Flow, *, reset: bool) -> None:
        for each in (flow.source, flow.sink):
            with suppress(KeyError):  # It ended before.
                self._selector.unregister(each)
            del self._flows[each]
            if reset:
                _reset(each)
            else:
                each.close()


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    connection.close()


@contextmanager
def open_proxy(target: int) -> Iterator[Proxy]:
    """Start a proxy in front of the server on this port."""
    stopped = Event()
    proxy = Proxy(free_port(), target)
    proxy.listen()
    thread = Thread(target=proxy.serve, args=(stopped,))
    thread.start()
    try:
        yield proxy
    finally:
        stopped.set()
        thread.join()
