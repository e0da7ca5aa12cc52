"""An `OrderStore` that measures another one."""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import ParamSpec, TypeVar

from attrs import frozen

from orders_core import Order, OrderId, OrderStore, Outcome, StoreUnavailable, Totals
from orders_prometheus.metrics import Metrics

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


@frozen
class MeasuredStore:
    """An `OrderStore` that measures another one.

    Attributes:
        store: The store that does the work. When it has a breaker, `breaker_open` tells its state.
        metrics: Where the figures go.
    """

    store: OrderStore
    metrics: Metrics

    def add(self, orders: Sequence[Order], *, atomic: bool = False) -> Sequence[Outcome]:
        """Add through the store, and count the outcomes."""
        outcomes = self._measured("add", self.store.add, orders, atomic=atomic)
        # An atomic batch with a conflict stored nothing, so its other outcomes did not happen.
        refused = atomic and Outcome.CONFLICT in outcomes
        self.metrics.orders_added(
            [each for each in outcomes if each is Outcome.CONFLICT] if refused else outcomes,
        )
        return outcomes

    def get(self, ids: Sequence[OrderId]) -> Sequence[Order | None]:
        """Look up through the store."""
        return self._measured("get", self.store.get, ids)

    def page(
        self,
        limit: int,
        *,
        after: OrderId | None = None,
        before: OrderId | None = None,
    ) -> Sequence[Order]:
        """Read a page through the store."""
        return self._measured("page", self.store.page, limit, after=after, before=before)

    def totals(self) -> Totals:
        """Count and sum through the store."""
        return self._measured("totals", self.store.totals)

    def check(self) -> None:
        """Check the store."""
        self._measured("check", self.store.check)

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    def _measured(
        self,
        operation: str,
        run: Callable[_Arguments, _Result],
        *arguments: _Arguments.args,
        **options: _Arguments.kwargs,
    ) -> _Result:
        started = perf_counter()
        try:
            return run(*arguments, **options)
        except StoreUnavailable as error:
            self.metrics.store_unavailable(error.reason)
            raise
        finally:
            self.metrics.store_operation(operation, perf_counter() - started)
            self.metrics.breaker(is_open=getattr(self.store, "breaker_open", False))
