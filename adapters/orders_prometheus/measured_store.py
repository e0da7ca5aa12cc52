"""An `OrderStore` that measures another one."""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, ParamSpec, Protocol, TypeVar

from attrs import frozen

from orders_core import (
    AddOrders,
    Call,
    Order,
    OrderId,
    OrderRow,
    OrderStore,
    Outcome,
    PageQuery,
    Pending,
    StoreUnavailable,
    Totals,
)
from orders_prometheus.metrics import Metrics

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class OutageObserver(Protocol):
    """Learns whether the store is available. Several threads may call it."""

    def failed(self, operation: str, error: StoreUnavailable) -> None:
        """An operation of the store has failed."""

    def succeeded(self, seconds: float) -> None:
        """An operation has succeeded, and took this many seconds."""


@frozen
class MeasuredStore:
    """An `OrderStore` that measures another one.

    Attributes:
        store: The store that does the work. If it has a circuit breaker, `breaker_open` tells
            its state.
        metrics: Counts the operations.
        outages: Learns the outcome of every operation too.
    """

    store: OrderStore
    metrics: Metrics
    outages: OutageObserver | None = None

    def begin(self, call: Call) -> Pending | None:
        """Begin a call, if the store can; measure it until its end."""
        started = perf_counter()
        pending = self.store.begin(call)
        return None if pending is None else _MeasuredPending(pending, self, call, started)

    def add(self, orders: Sequence[Order], *, atomic: bool = False) -> Sequence[Outcome]:
        """Add orders, and count the outcomes."""
        outcomes = self._measured("add", self.store.add, orders, atomic=atomic)
        # An atomic batch with a conflict stored nothing, so only its conflicts count.
        refused = atomic and Outcome.CONFLICT in outcomes
        self.metrics.orders_added(
            [each for each in outcomes if each is Outcome.CONFLICT] if refused else outcomes,
        )
        return outcomes

    def load(self, rows: Sequence[OrderRow]) -> bool:
        """Load rows, and count the orders created."""
        loaded = self._measured("add", self.store.load, rows)
        if loaded:
            self.metrics.orders_added([Outcome.CREATED] * len(rows))
        return loaded

    def get(self, ids: Sequence[OrderId]) -> Sequence[Order | None]:
        """Look orders up."""
        return self._measured("get", self.store.get, ids)

    def page(
        self,
        limit: int,
        *,
        after: OrderId | None = None,
        before: OrderId | None = None,
    ) -> Sequence[Order]:
        """Read a page."""
        return self._measured("page", self.store.page, limit, after=after, before=before)

    def pages_json(self, queries: Sequence[PageQuery]) -> Sequence[bytes]:
        """Read pages as JSON."""
        return self._measured("page", self.store.pages_json, queries)

    def totals(self) -> Totals:
        """Compute the totals."""
        return self._measured("totals", self.store.totals)

    def check(self) -> None:
        """Check the store."""
        self._measured("check", self.store.check)

    def renew(self) -> None:
        """Renew the store."""
        self.store.renew()

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
            result = run(*arguments, **options)
        except Exception as error:
            self.note_end(operation, started, error)
            raise
        self.note_end(operation, started)
        return result

    def note_end(self, operation: str, started: float, error: Exception | None = None) -> None:
        """Measure an operation that has ended."""
        seconds = perf_counter() - started
        if isinstance(error, StoreUnavailable):
            self.metrics.store_unavailable(error.reason)
        if self.outages is not None:
            if isinstance(error, StoreUnavailable):
                self.outages.failed(operation, error)
            elif error is None:
                self.outages.succeeded(seconds)
        self.metrics.store_operation(operation, seconds)
        self.metrics.breaker(is_open=getattr(self.store, "breaker_open", False))


@frozen
class _MeasuredPending:
    """A call that was begun, measured from its start to its results."""

    pending: Pending
    store: MeasuredStore
    call: Call
    started: float

    def fileno(self) -> int:
        return self.pending.fileno()

    def proceed(self) -> bool:
        return self.pending.proceed()

    def results(self) -> Sequence[Any] | None:
        operation = self.call.operation
        try:
            results = self.pending.results()
        except Exception as error:
            self.store.note_end(operation, self.started, error)
            raise
        if results is None:
            # The connection was lost. The call is made again, and measured then.
            return None
        self.store.note_end(operation, self.started)
        if isinstance(self.call, AddOrders):
            self.store.metrics.orders_added(results)
        return results
