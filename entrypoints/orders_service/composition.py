"""The composition root: builds the service's parts of a configuration and joins them."""

from attrs import frozen

from orders_core import OrderStore
from orders_prometheus import MeasuredStore, Metrics, SharedMetrics
from orders_service.config import Config

__all__ = ["Service", "SharedMetrics", "build_service"]


@frozen
class Service:
    """The parts of one process of a running service.

    Attributes:
        store: Where the orders are kept, measured.
        metrics: What this process measures.
    """

    store: OrderStore
    metrics: Metrics

    def renew(self) -> None:
        """Read files anew that may have changed: certificates, passwords."""

    def close(self) -> None:
        """Give back every connection and file."""
        self.store.close()


def build_service(config: Config, metrics: Metrics) -> Service:
    """Build the service's parts for one process; nothing is opened or connected yet.

    Args:
        config: The checked configuration.
        metrics: What the process writes, from `SharedMetrics.of`.
    """
    return Service(MeasuredStore(config.database.open(), metrics), metrics)
