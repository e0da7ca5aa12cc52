"""What is measured: requests by route, and the store's operations and outcomes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter

from attrs import frozen
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from orders_core import Order, OrderId, OrderStore, Outcome, Reason, StoreUnavailable, Totals

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The service's metrics. Every label has a small, fixed set of values."""

    def __init__(self) -> None:
        """Make a new registry: two services in one process do not meet."""
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._requests = Histogram(
            "orders_http_request_duration_seconds",
            "Time from a request's arrival at the application to its answer.",
            ["route", "method", "status"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.operations = Histogram(
            "orders_store_operation_duration_seconds",
            "Time that an operation of the store took.",
            ["operation"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.outcomes = Counter(
            "orders_store_orders",
            "Orders that were added, by what became of them.",
            ["outcome"],
            registry=self._registry,
        )
        self.unavailable = Counter(
            "orders_store_unavailable",
            "Operations of the store that failed, by reason.",
            ["reason"],
            registry=self._registry,
        )
        # Series that begin at 0 show their first increase too.
        for outcome in Outcome:
            self.outcomes.labels(outcome.value)
        for reason in Reason:
            self.unavailable.labels(reason.value)

    def observe_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request and its duration in seconds."""
        self._requests.labels(route, method, str(status)).observe(seconds)

    def exposition(self) -> bytes:
        """Write all metrics in Prometheus's text format 0.0.4."""
        return generate_latest(_WithoutCreationTimes(self._registry))


@frozen
class _WithoutCreationTimes(Collector):
    """Leaves out when each series began, which only OpenMetrics gives a meaning."""

    registry: CollectorRegistry

    def collect(self) -> Iterator[Metric]:
        for metric in self.registry.collect():
            metric.samples = [each for each in metric.samples if not _is_creation_time(each)]
            yield metric


def _is_creation_time(sample: Sample) -> bool:
    return sample.name.endswith("_created")


@frozen
class MeasuredStore:
    """An `OrderStore` that measures another one.

    Attributes:
        store: The store that does the work.
        metrics: Where the figures go.
    """

    store: OrderStore
    metrics: Metrics

    def add(self, orders: Sequence[Order], *, atomic: bool = False) -> Sequence[Outcome]:
        """Add through the store, and count the outcomes."""
        with self._measured("add"):
            outcomes = self.store.add(orders, atomic=atomic)
        # An atomic batch with a conflict stored nothing, so its other outcomes did not happen.
        refused = atomic and Outcome.CONFLICT in outcomes
        for outcome in (Outcome.CONFLICT,) if refused else Outcome:
            self.metrics.outcomes.labels(outcome.value).inc(outcomes.count(outcome))
        return outcomes

    def load(self, rows: Sequence[tuple[str, str]]) -> bool:
        """Load through the store, and count what was created."""
        with self._measured("load"):
            loaded = self.store.load(rows)
        if loaded:
            self.metrics.outcomes.labels(Outcome.CREATED.value).inc(len(rows))
        return loaded

    def get(self, ids: Sequence[OrderId]) -> Sequence[Order | None]:
        """Look up through the store."""
        with self._measured("get"):
            return self.store.get(ids)

    def page(
        self,
        limit: int,
        *,
        after: OrderId | None = None,
        before: OrderId | None = None,
    ) -> Sequence[Order]:
        """Read a page through the store."""
        with self._measured("page"):
            return self.store.page(limit, after=after, before=before)

    def page_json(self, limit: int, *, after: OrderId | None = None) -> bytes:
        """Read a page as JSON through the store."""
        with self._measured("page"):
            return self.store.page_json(limit, after=after)

    def totals(self) -> Totals:
        """Count and sum through the store."""
        with self._measured("totals"):
            return self.store.totals()

    def check(self) -> None:
        """Check the store."""
        with self._measured("check"):
            self.store.check()

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    @contextmanager
    def _measured(self, operation: str) -> Iterator[None]:
        started = perf_counter()
        try:
            yield
        except StoreUnavailable as error:
            self.metrics.unavailable.labels(error.reason.value).inc()
            raise
        finally:
            self.metrics.operations.labels(operation).observe(perf_counter() - started)
