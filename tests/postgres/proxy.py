"""A TCP proxy before a real server, that cuts a connection where a test wants it."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from selectors import EVENT_READ, DefaultSelector
from threading import Event, Thread
from typing import Final

from attrs import define, field

from tests.postgres_server import HOST

_POLL_SECONDS: Final = 0.02
_CHUNK: Final = 1 << 20
# PostgreSQL, "Message Formats": ReadyForQuery, idle: what was asked is done and committed.
_DONE: Final = b"Z\x00\x00\x00\x05I"


@define(eq=False)
class Proxy:
    """Passes bytes on in both directions until it is told otherwise.

    Attributes:
        cut_before: Cut, once, when the client sends these bytes; they do not arrive.
        cut_after: Cut, once, when the server has done and committed what the client sent with
            these bytes; the last of its answer does not arrive.
        silent: Pass nothing on.
        cuts: How often it has cut.
    """

    _listener: socket.socket
    _target: int
    cut_before: bytes | None = None
    cut_after: bytes | None = None
    silent: bool = False
    cuts: int = 0
    _awaiting: bool = False
    _peers: dict[socket.socket, socket.socket] = field(factory=dict)
    _clients: set[socket.socket] = field(factory=set)
    _selector: DefaultSelector = field(factory=DefaultSelector)

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    def serve(self, stopped: Event) -> None:
        """Pass on until told to stop."""
        self._selector.register(self._listener, EVENT_READ)
        while not stopped.is_set():
            for key, _ in self._selector.select(_POLL_SECONDS):
                assert isinstance(key.fileobj, socket.socket)
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj in self._peers:
                    self._pass_on(key.fileobj)
        for source in list(self._clients):
            self._cut(source)
        self._selector.close()

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        server = socket.create_connection((HOST, self._target))
        self._clients.add(client)
        for source, sink in ((client, server), (server, client)):
            self._peers[source] = sink
            self._selector.register(source, EVENT_READ)

    def _pass_on(self, source: socket.socket) -> None:
        data = b""
        with suppress(ConnectionError):
            data = source.recv(_CHUNK)
        if not data or self._is_where_to_cut(source, data):
            self._cut(source)
        elif not self.silent:
            with suppress(ConnectionError):
                self._peers[source].sendall(data)

    def _is_where_to_cut(self, source: socket.socket, data: bytes) -> bool:
        if source in self._clients:
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

    def _cut(self, source: socket.socket) -> None:
        sink = self._peers[source]
        for each in (source, sink):
            self._selector.unregister(each)
            self._clients.discard(each)
            del self._peers[each]
            each.close()


@contextmanager
def open_proxy(target: int) -> Iterator[Proxy]:
    """Stand in front of the server on this port."""
    stopped = Event()
    with closing(socket.create_server((HOST, 0))) as listener:
        proxy = Proxy(listener, target)
        thread = Thread(target=proxy.serve, args=(stopped,))
        thread.start()
        try:
            yield proxy
        finally:
            stopped.set()
            thread.join()
