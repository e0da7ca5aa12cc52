"""An incomplete body stores nothing, even if the part that arrived is valid."""

import pytest

from tests.http.wire import connected
from tests.service_process import RunningService

HEAD = b"POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: %b\r\n%b\r\n"
BODIES = {
    b"text/csv": b"id,amount\r\nCUT-1,345.67\r\nCUT-2,123",
    b"application/x-ndjson": b'{"id":"CUT-1","amount":1}\n{"id":"CUT-2","amount":1}',
    b"application/json": b'{"id":"CUT-1","amount":1}',
}


@pytest.mark.parametrize("media_type", BODIES)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_cut_off_stores_nothing(
    sqlite_service: RunningService,
    media_type: bytes,
    *,
    chunked: bool,
) -> None:
    body = BODIES[media_type]
    if chunked:
        # The chunk is complete, but the last chunk is missing.
        body = b"%x\r\n%b\r\n" % (len(body), body)
        head = HEAD % (media_type, b"Transfer-Encoding: chunked\r\n")
    else:
        head = HEAD % (media_type, b"Content-Length: %d\r\n" % (len(body) + 3))
    with connected(sqlite_service) as wire:
        wire.send(head + body)
        wire.finish_sending()
        answer = wire.rest()
    assert not answer.startswith(b"HTTP/1.1 2")
    with connected(sqlite_service) as wire:
        wire.send(b"GET /orders HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert wire.receive().body == b"[]"
