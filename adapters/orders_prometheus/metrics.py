"""The metrics: requests, batches, operations of the store, and the processes themselves."""

import platform
from collections.abc import Collection, Iterator, Sequence
from importlib.metadata import version
from typing import Final, Literal

from attrs import frozen
from prometheus_client import generate_latest
from prometheus_client.metrics_core import InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from orders_core import Outcome, Reason
from orders_prometheus.processes import ProcessKind, SharedProcesses
from orders_prometheus.shared_values import (
    Counter,
    Family,
    Gauge,
    Histogram,
    OptionalGauge,
    ProcessValues,
    SharedValues,
)

OTHER: Final = "(other)"
"""The value of a label for everything that it does not list."""

_FAILURES: Final = (500, 503)


@frozen
class RequestLabels:
    """The values that the labels of requests can have, apart from `(other)`.

    Attributes:
        routes: The templates of paths.
        methods: The methods.
        statuses: The status codes.
        monitored: Route, method and success status of the requests that alerts watch. Their series
            exist from the start, and so do those of their failures: Prometheus does not see a
            first failure that also creates its series as an increase.
    """

    routes: Sequence[str] = ()
    methods: Sequence[str] = ()
    statuses: Sequence[int] = ()
    monitored: Collection[tuple[str, str, int]] = ()

    def family(self) -> Histogram:
        """Make the metric of requests."""
        return Histogram(
            "orders_http_request_duration_seconds",
            "Time from a request's arrival at the application to its answer.",
            {
                "route": (*self.routes, OTHER),
                "method": (*self.methods, OTHER),
                "status": (*self.statuses, OTHER),
            },
            bounds=_SECONDS,
            shown=frozenset(
                (route, method, status)
                for route, method, success in self.monitored
                for status in (success, *_FAILURES)
            ),
        )


_SECONDS: Final = (
    *(0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
    *(5.0, 10.0),
)
_SIZES: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0)

_IN_FLIGHT: Final = Gauge(
    "orders_http_requests_in_flight", "Requests that have arrived and are not answered yet."
)
_SHED: Final = Counter(
    "orders_http_requests_shed",
    "Requests refused because they had waited too long, by reason.",
    {"reason": ("busy", "deadline")},
)
_CONNECTIONS: Final = Gauge("orders_http_connections_open", "Open client connections.")
_BATCH_SIZE: Final = Histogram(
    "orders_http_batch_size",
    "Requests in one batch for the store.",
    {"operation": ("add", "get", "page")},
    bounds=_SIZES,
)
_QUEUE_WAIT: Final = Histogram(
    "orders_http_queue_wait_seconds",
    "Time that a complete request waited for its work to begin.",
    {"operation": ("add", "get", "page", "work")},
    bounds=_SECONDS,
)
_OPERATIONS: Final = Histogram(
    "orders_store_operation_duration_seconds",
    "Duration of an operation of the store, successful or failed.",
    {"operation": ("add", "get", "page", "totals", "check")},
    bounds=_SECONDS,
)
_OUTCOMES: Final = Counter(
    "orders_store_orders",
    "Orders sent to the store: `created`, `replayed` or `conflict`.",
    {"outcome": [outcome.value for outcome in Outcome]},
)
_UNAVAILABLE: Final = Counter(
    "orders_store_unavailable",
    "Failed operations of the store, by reason.",
    {"reason": [reason.value for reason in Reason]},
)
_BREAKER: Final = Gauge(
    "orders_store_breaker_open",
    "Processes whose circuit breaker is open: they do not try to connect for now.",
)
_UP: Final = OptionalGauge(
    "orders_store_up", "Whether the store could accept orders at the last check: 1 or 0."
)
_SCHEMA: Final = OptionalGauge(
    "orders_store_schema_version", "The last migration applied to the database."
)
_SCHEMA_NEEDED: Final = OptionalGauge(
    "orders_store_schema_version_needed", "The last migration that this release needs."
)
_EXPIRIES: Final = OptionalGauge(
    "orders_certificate_expiry_timestamp_seconds",
    "When a certificate of the database connection expires, in seconds since 1970.",
    {"certificate": ("client", "ca", "server")},
)
_DISK_FREE: Final = OptionalGauge(
    "orders_store_disk_free_bytes",
    "Free space on the disk of the SQLite file, as available to the service.",
)
_DISK_SIZE: Final = OptionalGauge(
    "orders_store_disk_size_bytes", "Size of the disk of the SQLite file."
)
_WORKERS: Final = Gauge("orders_workers_running", "Running worker processes.")
_RESTARTS: Final = Counter(
    "orders_worker_restarts", "Worker processes started to replace one that ended."
)
FAMILIES: Final[tuple[Family, ...]] = (
    *(_IN_FLIGHT, _SHED, _CONNECTIONS, _BATCH_SIZE, _QUEUE_WAIT),
    *(_OPERATIONS, _OUTCOMES, _UNAVAILABLE, _BREAKER),
    *(_UP, _SCHEMA, _SCHEMA_NEEDED, _EXPIRIES, _DISK_FREE, _DISK_SIZE, _WORKERS, _RESTARTS),
)
"""The metrics that the service counts itself, apart from requests."""


class SharedMetrics(Collector):
    """The metrics of all processes of a service. Created before they are forked.

    Attributes:
        families: The metrics that the service counts itself.
    """

    def __init__(self, processes: int, requests: RequestLabels | None = None) -> None:
        """Allocate memory for the metrics.

        Args:
            processes: The number of processes, including those without requests.
            requests: The labels of requests; without them all requests count as `(other)`.
        """
        self._requests = (requests or RequestLabels()).family()
        self.families: Sequence[Family] = (self._requests, *FAMILIES)
        self._values = SharedValues(self.families, processes)
        self._processes = SharedProcesses(processes)
        self._build = {
            "version": version("orders-core"),
            "python": platform.python_version(),
            "implementation": platform.python_implementation(),
        }

    def of(self, process: int, kind: ProcessKind = "worker") -> "Metrics":
        """Return the metrics of the calling process, which calls this once, after it was forked.

        Args:
            process: Its number, from 0. The successor of a process that died has the same number,
                and continues its counters.
            kind: The kind of the process.
        """
        self._processes.enter(process, kind)
        return Metrics(self._values.of(process), self._requests)

    def collect(self) -> Iterator[Metric]:
        """Sum the metrics of all processes."""
        yield from self._values.collect()
        yield from self._processes.collect()
        yield InfoMetricFamily(
            "orders_build", "Version of the service and of Python.", value=self._build
        )

    def exposition(self) -> bytes:
        """Write all metrics in Prometheus's text format 0.0.4. Any process may call this."""
        return generate_latest(self)


class Metrics:
    """The metrics of one process; `SharedMetrics.of` creates them.

    Every label has a small, fixed set of values. Safe to share between threads.
    """

    def __init__(self, values: ProcessValues, requests: Histogram) -> None:
        """Take the values of the process, and the metric of requests."""
        self._request_labels = requests.labels
        self._requests = values.buckets(requests)
        self._in_flight = values.numbers(_IN_FLIGHT)[()]
        self._shed = values.numbers(_SHED)
        self._connections = values.numbers(_CONNECTIONS)[()]
        self._batch_sizes = values.buckets(_BATCH_SIZE)
        self._queue_waits = values.buckets(_QUEUE_WAIT)
        self._operations = values.buckets(_OPERATIONS)
        outcomes = values.numbers(_OUTCOMES)
        self._outcomes = [(outcome, outcomes[outcome.value,]) for outcome in Outcome]
        self._unavailable = values.numbers(_UNAVAILABLE)
        self._breaker = values.numbers(_BREAKER)[()]
        self._up = values.optional_numbers(_UP)[()]
        self._schema = values.optional_numbers(_SCHEMA)[()]
        self._schema_needed = values.optional_numbers(_SCHEMA_NEEDED)[()]
        self._expiries = values.optional_numbers(_EXPIRIES)
        self._disk_free = values.optional_numbers(_DISK_FREE)[()]
        self._disk_size = values.optional_numbers(_DISK_SIZE)[()]
        self._workers = values.numbers(_WORKERS)[()]
        self._restarts = values.numbers(_RESTARTS)[()]

    def request_begun(self) -> None:
        """Count a request that has arrived."""
        self._in_flight.add()

    def request_answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request that is answered, and the seconds since it arrived."""
        self._in_flight.add(-1.0)
        series = self._requests.get((route, method, status))
        if series is None:
            known = self._request_labels
            series = self._requests[
                route if route in known["route"] else OTHER,
                method if method in known["method"] else OTHER,
                status if status in known["status"] else OTHER,
            ]
        series.observe(seconds)

    def request_shed(self, reason: Literal["busy", "deadline"]) -> None:
        """Count a request that was refused because it had waited too long.

        Args:
            reason: `busy` when its work had not begun in time, `deadline` when it took too long
                in total.
        """
        self._shed[reason,].add()

    def batch_begun(
        self, operation: Literal["add", "get", "page"], waits: Collection[float]
    ) -> None:
        """Count a batch of requests, and the seconds that each has waited for it."""
        self._batch_sizes[operation,].observe(len(waits))
        self._queue_waits[operation,].observe(*waits)

    def work_begun(self, wait: float) -> None:
        """Count a request that a thread begins, and the seconds that it has waited."""
        self._queue_waits["work",].observe(wait)

    def connections_open(self, count: int) -> None:
        """Set the number of open client connections."""
        self._connections.set(count)

    def store_operation(self, operation: str, seconds: float) -> None:
        """Count an operation of the store, successful or failed.

        Args:
            operation: The name of a method of `OrderStore`.
            seconds: Its duration.
        """
        self._operations[operation,].observe(seconds)

    def orders_added(self, outcomes: Sequence[Outcome]) -> None:
        """Count orders by outcome."""
        for outcome, number in self._outcomes:
            if count := outcomes.count(outcome):
                number.add(count)

    def store_unavailable(self, reason: Reason) -> None:
        """Count a failed operation of the store."""
        self._unavailable[reason.value,].add()

    def breaker(self, *, is_open: bool) -> None:
        """Set whether the circuit breaker of this process is open."""
        self._breaker.set(is_open)

    def store_up(self, *, is_up: bool) -> None:
        """Set whether the store is up. Called by one process of a service."""
        self._up.set(is_up)

    def schema_version(self, version: int, needed: int) -> None:
        """Set the version of the database's schema, and the version needed."""
        self._schema.set(version)
        self._schema_needed.set(needed)

    def certificate_expiry(self, certificate: str, expiry: float) -> None:
        """Set when a certificate expires.

        Args:
            certificate: `client`, `ca` or `server`.
            expiry: In seconds since 1970.
        """
        self._expiries[certificate,].set(expiry)

    def disk(self, free: int, size: int) -> None:
        """Set the free space and the size of the disk, in bytes."""
        self._disk_free.set(free)
        self._disk_size.set(size)

    def workers_running(self, count: int) -> None:
        """Set the number of running workers. Called by the parent."""
        self._workers.set(count)

    def worker_restarted(self) -> None:
        """Count a worker that replaces one that ended. Called by the parent."""
        self._restarts.add()
