"""The composition root: builds the service's parts of a configuration and joins them."""

from attrs import frozen

from orders_core import OrderStore
from orders_prometheus import MeasuredStore, Metrics, SharedMetrics
from orders_service.config import Config
from orders_service.databases import Database
from orders_service.outages import OutageLog
from orders_service.tokens import TokenFile
from orders_service.watch import Watch

__all__ = ["Service", "SharedMetrics", "build_service"]


@frozen
class Service:
    """The parts of one process of a running service.

    Attributes:
        store: Where the orders are kept, measured.
        metrics: What this process measures.
        tokens: The tokens that clients must have; None when they need none.
    """

    store: OrderStore
    metrics: Metrics
    tokens: TokenFile | None = None

    def watch(self, database: Database) -> Watch:
        """Make what looks at the database when nobody asks; one process of a service runs it."""
        return Watch(self.store, database, self.metrics)

    def renew(self) -> None:
        """Read files anew that may have changed: certificates, passwords, tokens."""
        self.store.renew()
        if self.tokens is not None:
            self.tokens.reload()

    def close(self) -> None:
        """Give back every connection and file."""
        self.store.close()


def build_service(config: Config, metrics: Metrics, tokens: TokenFile | None = None) -> Service:
    """Build the service's parts for one process; nothing is opened or connected yet.

    Args:
        config: The checked configuration.
        metrics: What the process writes, from `SharedMetrics.of`.
        tokens: The tokens that clients must have, when they need any.
    """
    return Service(MeasuredStore(config.database.open(), metrics, OutageLog()), metrics, tokens)
