"""The composition root: builds the service's parts of a configuration and joins them."""

from attrs import frozen

from orders_core import OrderStore
from orders_prometheus import MeasuredStore, Metrics
from orders_service.config import Config


@frozen
class Service:
    """The parts of a running service.

    Attributes:
        store: Where the orders are kept, measured.
        probe: The same orders through connections of their own, for readiness.
        metrics: What is measured.
    """

    store: OrderStore
    probe: OrderStore
    metrics: Metrics

    def close(self) -> None:
        """Give back every connection and file."""
        self.store.close()
        self.probe.close()


def build_service(config: Config) -> Service:
    """Build the service's parts; nothing is opened or connected yet."""
    metrics = Metrics()
    store = MeasuredStore(config.database.open(), metrics)
    probe = MeasuredStore(config.database.open(), metrics)
    return Service(store, probe, metrics)
