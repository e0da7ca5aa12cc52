"""Orders in a dict, and a sorted list of their ids."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from threading import Lock

from orders_core import (
    Call,
    Order,
    OrderId,
    OrderRow,
    Outcome,
    PageQuery,
    Pending,
    Totals,
    decimal_of_cents,
    json_lines,
    judge,
)


class MemoryStore:
    """An `OrderStore` that keeps orders in memory. Threads can share it."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = Lock()
        self._orders: dict[OrderId, Order] = {}
        self._ids: list[OrderId] = []
        self._cents = 0

    def begin(self, call: Call) -> Pending | None:
        """Begin nothing: every call waits; see `OrderStore.begin`."""

    def add(self, orders: Sequence[Order], *, atomic: bool = False) -> Sequence[Outcome]:
        """Store the orders as one batch; see `OrderStore.add`."""
        with self._lock:
            stored = {
                order.id: self._orders[order.id].amount
                for order in orders
                if order.id in self._orders
            }
            outcomes = judge(orders, stored)
            if not (atomic and Outcome.CONFLICT in outcomes):
                for order, outcome in zip(orders, outcomes, strict=True):
                    if outcome is Outcome.CREATED:
                        self._keep(order)
            return outcomes

    def load(self, rows: Sequence[OrderRow]) -> bool:
        """Store orders that are all new; see `OrderStore.load`."""
        orders = {order_id: Order(OrderId.of_stored(order_id), amount) for order_id, amount in rows}
        with self._lock:
            known = any(order.id in self._orders for order in orders.values())
            if known or len(orders) < len(rows):
                return False
            for order in orders.values():
                self._keep(order)
            return True

    def get(self, ids: Sequence[OrderId]) -> Sequence[Order | None]:
        """Look up orders; see `OrderStore.get`."""
        with self._lock:
            return [self._orders.get(order_id) for order_id in ids]

    def page(
        self,
        limit: int,
        *,
        after: OrderId | None = None,
        before: OrderId | None = None,
    ) -> Sequence[Order]:
        """Read the orders next to an id; see `OrderStore.page`."""
        with self._lock:
            if before is not None:
                end = bisect_left(self._ids, before)
                ids = self._ids[max(0, end - limit) : end]
            else:
                start = 0 if after is None else bisect_right(self._ids, after)
                ids = self._ids[start : start + limit]
            return [self._orders[order_id] for order_id in ids]

    def pages_json(self, queries: Sequence[PageQuery]) -> Sequence[bytes]:
        """Read pages as JSON; see `OrderStore.pages_json`."""
        pages = [self.page(query.limit, after=query.after) for query in queries]
        return [json_lines(order.row for order in page) for page in pages]

    def totals(self) -> Totals:
        """Count and sum; see `OrderStore.totals`."""
        with self._lock:
            return Totals(len(self._ids), decimal_of_cents(self._cents))

    def _keep(self, order: Order) -> None:
        self._orders[order.id] = order
        self._cents += order.amount.cents
        insort(self._ids, order.id)

    def check(self) -> None:
        """Do nothing: memory is always available."""

    def renew(self) -> None:
        """Do nothing: there are no credentials to renew."""

    def close(self) -> None:
        """Do nothing: there is nothing to close."""
