"""The composition root: builds the service's parts of a configuration and joins them."""

from attrs import frozen

from orders_core import OrderStore
from orders_prometheus import MeasuredStore, Metrics, SharedMetrics
from orders_service.config import Config
from orders_service.outages import OutageLog

__all__ = ["Service", "SharedMetrics", "build_service"]


@frozen
class Service:
    """The parts of a running service.

    Attributes:
        store: Where the orders are kept, measured.
        probe: The same orders through connections of their own, for readiness.
        metrics: What this process measures.
    """

    store: OrderStore
    probe: OrderStore
    metrics: Metrics

    def close(self) -> None:
        """Give back every connection and file."""
        self.store.close()
        self.probe.close()


def build_service(config: Config, metrics: Metrics) -> Service:
    """Build the service's parts for one process; nothing is opened or connected yet.

    Args:
        config: The checked configuration.
        metrics: What the process writes, from `SharedMetrics.of`.
    """
    outages = OutageLog()
    store = MeasuredStore(config.database.open(), metrics, outages)
    probe = MeasuredStore(config.database.open(), metrics, outages)
    return Service(store, probe, metrics)
