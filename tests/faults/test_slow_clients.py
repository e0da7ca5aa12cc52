"""A thousand clients that send or read slowly keep no other client waiting."""

import logging
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from statistics import median
from time import monotonic
from typing import Final

from tests.faults.stage import loaded
from tests.faults.traffic import ORDERS
from tests.postgres_server import PostgresServer
from tests.service_process import RunningService

SENDERS: Final = 500
READERS: Final = 500
LISTED: Final = 1_000
MAX_ORDERS_PER_PROBE: Final = 100
"""How many orders may be acknowledged during the median probe."""
UNFINISHED: Final = b"POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
# More than the kernel buffers.
LISTS: Final = b"GET /orders HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20

_SECONDS: Final = 60.0
_LOG: Final = logging.getLogger(__name__)


@contextmanager
def slow_clients(service: RunningService) -> Iterator[None]:
    """Let some clients send half a request each, and others read nothing of long answers."""
    with ExitStack() as stack:
        for number in range(SENDERS + READERS):
            client = stack.enter_context(closing(socket.socket()))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            client.settimeout(_SECONDS)
            client.connect((service.host, service.port))
            client.sendall(UNFINISHED if number < SENDERS else LISTS)
        yield


def probe_liveness(service: RunningService) -> None:
    """Ask `/livez`, and wait for the answer."""
    with closing(service.connect_operations()) as probe:
        probe.request("GET", "/livez")
        response = probe.getresponse()
        response.read()
    assert response.status == 200


def test_among_slow_clients_the_others_are_served_and_the_probes_answered(
    own_server: PostgresServer,
) -> None:
    database = own_server.new_database()
    with loaded(own_server.url_text(database.name), database) as traffic:
        traffic.wait_for_orders(LISTED)
        probes, seconds = [], []
        with slow_clients(traffic.service):
            goal = len(traffic.acknowledged) + ORDERS
            while len(traffic.acknowledged) < goal:
                traffic.assert_expected()
                before, begun = len(traffic.acknowledged), monotonic()
                probe_liveness(traffic.service)
                probes.append(len(traffic.acknowledged) - before)
                seconds.append(monotonic() - begun)
    seconds.sort()
    _LOG.info(
        "/livez among %d slow clients: median %.1f ms, 99 of 100 within %.1f ms, longest %.1f ms",
        *(SENDERS + READERS, median(seconds) * 1_000),
        *(seconds[len(seconds) * 99 // 100] * 1_000, seconds[-1] * 1_000),
    )
    # Measured in orders, which a slow machine acknowledges slowly too.
    assert median(probes) < MAX_ORDERS_PER_PROBE
