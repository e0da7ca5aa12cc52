"""An `OrderStore` that measures another one."""

from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import Generic, ParamSpec, Protocol, TypeVar

from attrs import field, frozen

from orders_core import (
    Order,
    OrderId,
    OrderStore,
    Outcome,
    PageQuery,
    Pending,
    PromptStore,
    StoreUnavailable,
    Totals,
)
from orders_prometheus.metrics import Metrics

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
_Item = TypeVar("_Item")


class OutageObserver(Protocol):
    """Hears whether the store answers. Several threads may tell it something."""

    def failed(self, operation: str, error: StoreUnavailable) -> None:
        """Take note of an operation of the store that failed just now."""

    def succeeded(self, seconds: float) -> None:
        """Take note of an operation that succeeded just now, and took so many seconds."""


@frozen
class MeasuredStore:
    """An `OrderStore` that measures another one.

    Attributes:
        store: The store that does the work. When it has a breaker, `breaker_open` tells its state.
        metrics: Where the figures go.
        outages: Hears of every operation too.
    """

    store: OrderStore
    metrics: Metrics
    outages: OutageObserver | None = None
    _prompt: PromptStore | None = field(init=False)

    @_prompt.default
    def _prompt_store(self) -> PromptStore | None:
        return self.store if isinstance(self.store, PromptStore) else None

    def begin_add(self, orders: Sequence[Order]) -> Pending[Outcome] | None:
        """Begin to add through the store, when it can; the end is measured."""
        pending = None if self._prompt is None else self._prompt.begin_add(orders)
        return None if pending is None else _MeasuredAdding(pending, self)

    def begin_get(self, ids: Sequence[OrderId]) -> Pending[Order | None] | None:
        """Begin to look up through the store, when it can; the end is measured."""
        pending = None if self._prompt is None else self._prompt.begin_get(ids)
        return None if pending is None else _MeasuredGetting(pending, self)

    def begin_pages_json(self, queries: Sequence[PageQuery]) -> Pending[bytes] | None:
        """Begin to read pages through the store, when it can; the end is measured."""
        pending = None if self._prompt is None else self._prompt.begin_pages_json(queries)
        return None if pending is None else _MeasuredReading(pending, self)

    def add(self, orders: Sequence[Order], *, atomic: bool = False) -> Sequence[Outcome]:
        """Add through the store, and count the outcomes."""
        outcomes = self._measured("add", self.store.add, orders, atomic=atomic)
        # An atomic batch with a conflict stored nothing, so its other outcomes did not happen.
        refused = atomic and Outcome.CONFLICT in outcomes
        self.metrics.orders_added(
            [each for each in outcomes if each is Outcome.CONFLICT] if refused else outcomes,
        )
        return outcomes

    def load(
        self,
        rows: Sequence[tuple[str, str]],
        *,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> bool:
        """Load through the store, and count what was created."""
        loaded = self._measured("add", partial(self.store.load, meanwhile=meanwhile), rows)
        if loaded:
            self.metrics.orders_added([Outcome.CREATED] * len(rows))
        return loaded

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

    def pages_json(self, queries: Sequence[PageQuery]) -> Sequence[bytes]:
        """Read pages as JSON through the store."""
        return self._measured("page", self.store.pages_json, queries)

    def totals(self) -> Totals:
        """Count and sum through the store."""
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
        return self.measured_since(perf_counter(), operation, lambda: run(*arguments, **options))

    def measured_since(
        self,
        started: float,
        operation: str,
        run: Callable[[], _Result],
    ) -> _Result:
        """Run the end of an operation that began at some time."""
        try:
            result = run()
        except StoreUnavailable as error:
            self.metrics.store_unavailable(error.reason)
            if self.outages is not None:
                self.outages.failed(operation, error)
            raise
        else:
            if self.outages is not None:
                self.outages.succeeded(perf_counter() - started)
            return result
        finally:
            self.metrics.store_operation(operation, perf_counter() - started)
            self.metrics.breaker(is_open=getattr(self.store, "breaker_open", False))


@frozen
class _MeasuredPending(Generic[_Item]):
    """Work that was begun, and is measured from then to its outcome."""

    pending: Pending[_Item]
    store: MeasuredStore
    started: float = field(init=False, factory=perf_counter)

    @property
    def must_wait(self) -> bool:
        return self.pending.must_wait

    def fileno(self) -> int:
        return self.pending.fileno()

    def proceed(self) -> bool:
        return self.pending.proceed()


class _MeasuredAdding(_MeasuredPending[Outcome]):
    def outcome(self) -> Sequence[Outcome]:
        outcomes = self.store.measured_since(self.started, "add", self.pending.outcome)
        self.store.metrics.orders_added(outcomes)
        return outcomes


class _MeasuredGetting(_MeasuredPending[Order | None]):
    def outcome(self) -> Sequence[Order | None]:
        return self.store.measured_since(self.started, "get", self.pending.outcome)


class _MeasuredReading(_MeasuredPending[bytes]):
    def outcome(self) -> Sequence[bytes]:
        return self.store.measured_since(self.started, "page", self.pending.outcome)
