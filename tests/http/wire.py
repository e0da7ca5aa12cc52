"""HTTP/1.1 over a bare socket: exactly what the test says is sent."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from attrs import define

from tests.http.response import Response, headers_once
from tests.service_process import RunningService

_SECONDS: Final = 30.0
_WITHOUT_BODY: Final = {204, 304}
HEALTH: Final = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@define
class Wire:
    """One connection."""

    _socket: socket.socket
    _received: bytes = b""

    def send(self, content: bytes) -> None:
        """Send bytes."""
        self._socket.sendall(content)

    def finish_sending(self) -> None:
        """Close the sending side."""
        self._socket.shutdown(socket.SHUT_WR)

    def receive(self, *, head: bool = False) -> Response:
        """Wait for one whole response.

        Args:
            head: Whether the request was HEAD, whose response has no body.
        """
        while b"\r\n\r\n" not in self._received:
            self._more()
        start, _, self._received = self._received.partition(b"\r\n\r\n")
        status_line, *lines = start.decode("latin-1").split("\r\n")
        protocol, status, _ = status_line.split(" ", 2)
        assert protocol in {"HTTP/1.0", "HTTP/1.1"}
        fields = (line.partition(": ") for line in lines)
        headers = headers_once((name, value) for name, _, value in fields)
        code = int(status)
        empty = head or code in _WITHOUT_BODY or code < 200
        length = 0 if empty else int(headers["content-length"])
        while len(self._received) < length:
            self._more()
        body, self._received = self._received[:length], self._received[length:]
        return Response(code, headers, body)

    def rest(self) -> bytes:
        """Return everything that arrives until the other side closes."""
        rest, self._received = self._received, b""
        while content := self._socket.recv(65_536):
            rest += content
        return rest

    def _more(self) -> None:
        content = self._socket.recv(65_536)
        if not content:
            message = f"the connection ended after {self._received!r}"
            raise EOFError(message)
        self._received += content


@contextmanager
def connected_to(host: str, port: int) -> Iterator[Wire]:
    """Open a connection to an address."""
    with socket.create_connection((host, port), timeout=_SECONDS) as connection:
        yield Wire(connection)


@contextmanager
def connected(service: RunningService) -> Iterator[Wire]:
    """Open a connection."""
    with connected_to(service.host, service.port) as wire:
        yield wire


def only_response(service: RunningService, raw: bytes) -> Response:
    """Send one request, and prove that it gets exactly one response.

    Either the service closes the connection, or the next request on it is answered as usual.
    """
    with connected(service) as wire:
        wire.send(raw)
        response = wire.receive(head=raw.startswith(b"HEAD "))
        if not response.closes:
            wire.send(HEALTH)
            following = wire.receive()
            assert (following.status, following.body) == (200, b'{"status":"ok"}')
        assert wire.rest() == b""
    return response
