"""What is measured: requests, batches, the store's operations, and the processes themselves."""

import platform
from collections.abc import Collection, Iterator, Sequence
from importlib.metadata import version
from typing import Final, Literal

from prometheus_client import generate_latest
from prometheus_client.metrics_core import InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from orders_core import Outcome, Reason
from orders_prometheus.figures import (
    Counter,
    Family,
    Figures,
    Finding,
    Gauge,
    Histogram,
    SharedFigures,
)
from orders_prometheus.processes import Role, SharedProcesses

OTHER: Final = "(other)"
"""The label's value for everything that has none of its own."""

ROUTES: Final = (
    *("/", "/login", "/logout", "/favicon.svg", "/orders", "/orders/<id>", "/health"),
    *("/openapi.json", "(none)", OTHER),
)
METHODS: Final = ("GET", "HEAD", "POST", "OPTIONS", OTHER)
STATUSES: Final = (
    *(200, 201, 204, 303, 304, 400, 401, 403, 404, 405, 406, 408, 409, 413, 415, 421, 422, 429),
    *(431, 500, 503, OTHER),
)
_SERVED: Final = (
    *(("/", "GET", 200), ("/", "POST", 303), ("/orders", "GET", 200), ("/orders", "POST", 201)),
    ("/orders/<id>", "GET", 200),
)
_SECONDS: Final = (
    *(0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
    *(5.0, 10.0),
)
_SIZES: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0)

_REQUESTS: Final = Histogram(
    "orders_http_request_duration_seconds",
    "Time from a request's arrival at the application to its answer.",
    {"route": ROUTES, "method": METHODS, "status": STATUSES},
    bounds=_SECONDS,
    # What alerts divide by one another, so that the first failure is an increase.
    shown=frozenset(
        (route, method, status)
        for route, method, success in _SERVED
        for status in (success, 500, 503)
    ),
)
_IN_FLIGHT: Final = Gauge(
    "orders_http_requests_in_flight", "Requests that have arrived and are not answered."
)
_SHED: Final = Counter(
    "orders_http_requests_shed",
    "Requests that were refused for having waited too long, by what they waited for.",
    {"reason": ("busy", "deadline")},
)
_CONNECTIONS: Final = Gauge("orders_http_connections_open", "Connections of clients.")
_BATCH_SIZE: Final = Histogram(
    "orders_http_batch_size",
    "Requests whose work was handed to the store at once.",
    {"operation": ("add", "get", "page")},
    bounds=_SIZES,
)
_QUEUE_WAIT: Final = Histogram(
    "orders_http_queue_wait_seconds",
    "Time that a whole request waited for its work to begin.",
    {"operation": ("add", "get", "page", "work")},
    bounds=_SECONDS,
)
_OPERATIONS: Final = Histogram(
    "orders_store_operation_duration_seconds",
    "Time that an operation of the store took, also when it failed.",
    {"operation": ("add", "get", "page", "totals", "check")},
    bounds=_SECONDS,
)
_OUTCOMES: Final = Counter(
    "orders_store_orders",
    "Orders that were added: `created`, `replayed` or `conflict`.",
    {"outcome": [outcome.value for outcome in Outcome]},
)
_UNAVAILABLE: Final = Counter(
    "orders_store_unavailable",
    "Operations of the store that failed, by reason.",
    {"reason": [reason.value for reason in Reason]},
)
_BREAKER: Final = Gauge(
    "orders_store_breaker_open", "Processes that do not ask the store for now, since it was away."
)
_UP: Final = Finding(
    "orders_store_up", "Whether the store took orders when it was looked at last: 1 or 0."
)
_SCHEMA: Final = Finding(
    "orders_store_schema_version", "The last migration that was applied to the database."
)
_SCHEMA_NEEDED: Final = Finding(
    "orders_store_schema_version_needed", "The last migration that this release needs."
)
_EXPIRIES: Final = Finding(
    "orders_certificate_expiry_timestamp_seconds",
    "When a certificate of the connection to the database expires, in seconds since 1970.",
    {"certificate": ("client", "ca", "server")},
)
_DISK_FREE: Final = Finding(
    "orders_store_disk_free_bytes", "What the service may still use of its SQLite file's disk."
)
_DISK_SIZE: Final = Finding("orders_store_disk_size_bytes", "The size of that disk.")
_WORKERS: Final = Gauge("orders_workers_running", "Worker processes that run.")
_RESTARTS: Final = Counter(
    "orders_worker_restarts", "Worker processes that were started in place of one that ended."
)
FAMILIES: Final[tuple[Family, ...]] = (
    *(_REQUESTS, _IN_FLIGHT, _SHED, _CONNECTIONS, _BATCH_SIZE, _QUEUE_WAIT),
    *(_OPERATIONS, _OUTCOMES, _UNAVAILABLE, _BREAKER),
    *(_UP, _SCHEMA, _SCHEMA_NEEDED, _EXPIRIES, _DISK_FREE, _DISK_SIZE, _WORKERS, _RESTARTS),
)
"""All that the service counts itself."""


class SharedMetrics(Collector):
    """The metrics of all processes of a service. Made before they are forked."""

    def __init__(self, processes: int) -> None:
        """Make room for the metrics.

        Args:
            processes: How many processes there will be, those without requests included.
        """
        self._figures = SharedFigures(FAMILIES, processes)
        self._processes = SharedProcesses(processes)
        self._build = {
            "version": version("orders-core"),
            "python": platform.python_version(),
            "implementation": platform.python_implementation(),
        }

    def of(self, process: int, role: Role = "worker") -> "Metrics":
        """Give the metrics that the calling process writes; each asks once, after it is forked.

        Args:
            process: Its number, from 0. The successor of a process that died takes its number,
                and counts on from what that one has counted.
            role: What the process is for.
        """
        self._processes.enter(process, role)
        return Metrics(self._figures.part(process))

    def collect(self) -> Iterator[Metric]:
        """Add up the metrics of all processes."""
        yield from self._figures.collect()
        yield from self._processes.collect()
        yield InfoMetricFamily("orders_build", "What runs.", value=self._build)

    def exposition(self) -> bytes:
        """Write all metrics in Prometheus's text format 0.0.4. Any of the processes may ask."""
        return generate_latest(self)


class Metrics:
    """The metrics that one process writes; `SharedMetrics.of` makes them.

    Every label has a small, fixed set of values. Safe to share by threads.
    """

    def __init__(self, figures: Figures) -> None:
        """Take the figures of the process."""
        self._requests = figures.observations(_REQUESTS)
        self._in_flight = figures.numbers(_IN_FLIGHT)[()]
        self._shed = figures.numbers(_SHED)
        self._connections = figures.numbers(_CONNECTIONS)[()]
        self._batch_sizes = figures.observations(_BATCH_SIZE)
        self._queue_waits = figures.observations(_QUEUE_WAIT)
        self._operations = figures.observations(_OPERATIONS)
        outcomes = figures.numbers(_OUTCOMES)
        self._outcomes = [(outcome, outcomes[outcome.value,]) for outcome in Outcome]
        self._unavailable = figures.numbers(_UNAVAILABLE)
        self._breaker = figures.numbers(_BREAKER)[()]
        self._up = figures.findings(_UP)[()]
        self._schema = figures.findings(_SCHEMA)[()]
        self._schema_needed = figures.findings(_SCHEMA_NEEDED)[()]
        self._expiries = figures.findings(_EXPIRIES)
        self._disk_free = figures.findings(_DISK_FREE)[()]
        self._disk_size = figures.findings(_DISK_SIZE)[()]
        self._workers = figures.numbers(_WORKERS)[()]
        self._restarts = figures.numbers(_RESTARTS)[()]

    def request_begun(self) -> None:
        """Count a request that has arrived."""
        self._in_flight.add()

    def request_answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request that was begun, and the seconds until its answer."""
        self._in_flight.add(-1.0)
        series = self._requests.get((route, method, status))
        if series is None:
            series = self._requests[
                route if route in ROUTES else OTHER,
                method if method in METHODS else OTHER,
                status if status in STATUSES else OTHER,
            ]
        series.observe(seconds)

    def request_shed(self, reason: Literal["busy", "deadline"]) -> None:
        """Count a request that was refused for having waited too long.

        Args:
            reason: `busy` when its work had not begun in time, `deadline` when it took too long
                in all.
        """
        self._shed[reason,].add()

    def batch_begun(
        self, operation: Literal["add", "get", "page"], waits: Collection[float]
    ) -> None:
        """Count a batch of requests, and the seconds that each of them has waited for it."""
        self._batch_sizes[operation,].observe(len(waits))
        self._queue_waits[operation,].observe(*waits)

    def work_begun(self, wait: float) -> None:
        """Count a request that a thread takes up, and the seconds that it has waited for that."""
        self._queue_waits["work",].observe(wait)

    def connections_open(self, count: int) -> None:
        """Tell how many connections clients have."""
        self._connections.set(count)

    def store_operation(self, operation: str, seconds: float) -> None:
        """Count an operation of the store, done or failed, and the seconds that it took.

        Args:
            operation: The name of a method of `OrderStore`.
            seconds: How long it took.
        """
        self._operations[operation,].observe(seconds)

    def orders_added(self, outcomes: Sequence[Outcome]) -> None:
        """Count orders by what became of them."""
        for outcome, number in self._outcomes:
            if count := outcomes.count(outcome):
                number.add(count)

    def store_unavailable(self, reason: Reason) -> None:
        """Count an operation of the store that failed."""
        self._unavailable[reason.value,].add()

    def breaker(self, *, is_open: bool) -> None:
        """Tell whether this process does not ask the store for now."""
        self._breaker.set(is_open)

    def store_up(self, *, is_up: bool) -> None:
        """Tell whether the store answered just now. One process of a service does."""
        self._up.set(is_up)

    def schema_version(self, version: int, needed: int) -> None:
        """Tell the version of the database's schema, and the one that is needed."""
        self._schema.set(version)
        self._schema_needed.set(needed)

    def certificate_expiry(self, certificate: str, expiry: float) -> None:
        """Tell when a certificate expires.

        Args:
            certificate: `client`, `ca` or `server`.
            expiry: In seconds since 1970.
        """
        self._expiries[certificate,].set(expiry)

    def disk(self, free: int, size: int) -> None:
        """Tell how many bytes of the disk are free, and how many it has."""
        self._disk_free.set(free)
        self._disk_size.set(size)

    def workers_running(self, count: int) -> None:
        """Tell how many workers run. The parent does."""
        self._workers.set(count)

    def worker_restarted(self) -> None:
        """Count a worker that was started in place of one that ended. The parent does."""
        self._restarts.add()
