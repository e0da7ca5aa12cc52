"""The latency of requests in tables of growing size."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from http import HTTPStatus
from random import Random
from statistics import median
from time import perf_counter
from typing import Final

from benchmarks.answers import Client, client
from benchmarks.database import fill, stored_id
from benchmarks.load import PAGE
from benchmarks.results import Growth
from benchmarks.servers import Kind, running
from tests.postgres_server import PostgresServer

LOOK_UP: Final = "GET one"
LIST: Final = "list of 100"
HTML_PAGE: Final = "the page"


def growth(  # noqa: PLR0913 - together the size of the measurement
    server: PostgresServer,
    kind: Kind,
    sizes: Sequence[int],
    *,
    workers: int,
    requests: int,
    seconds: float,
) -> Iterator[Growth]:
    """Time requests on one connection, in tables of several sizes.

    Args:
        server: Where the databases are created.
        kind: The server to measure.
        sizes: The numbers of orders in the tables.
        workers: The number of the server's processes.
        requests: The number of requests for each kind and size.
        seconds: The maximum time for each kind and size.

    Raises:
        Broken: The server does not start.
    """
    random = Random(1)  # noqa: S311 - not for secrets
    with ExitStack() as stack:
        clients = {}
        for size in sizes:
            database = server.new_database()
            stack.callback(database.drop)
            fill(database, size)
            started = stack.enter_context(running(kind, database, workers))
            clients[size] = stack.enter_context(client(started.port))
        paths: Mapping[str, Callable[[int], str]] = {
            LOOK_UP: lambda size: f"/orders/{stored_id(random.randrange(size))}",
            LIST: lambda size: kind.list_path(stored_id(random.randrange(size - PAGE))),
            HTML_PAGE: lambda _size: "/",
        }
        for what, path_of in paths.items():
            yield from _times(what, path_of, clients, requests, seconds)


def _times(
    what: str,
    path_of: Callable[[int], str],
    clients: Mapping[int, Client],
    requests: int,
    seconds: float,
) -> Iterator[Growth]:
    """Alternate between the sizes, so that other activity on the machine affects all of them."""
    times: dict[int, list[float]] = {size: [] for size in clients}
    errors = dict.fromkeys(clients, 0)
    for size, asking in clients.items():
        asking.ask("GET", path_of(size))  # the first request prepares the statement
    for _ in range(requests):
        for size, asking in clients.items():
            if sum(times[size]) < seconds:
                path = path_of(size)
                started = perf_counter()
                status = asking.ask("GET", path).status
                times[size].append(perf_counter() - started)
                errors[size] += status != HTTPStatus.OK
    for size, latencies in times.items():
        yield Growth(what, size, len(latencies), median(latencies) * 1_000, errors[size])
