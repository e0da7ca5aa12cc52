"""The use cases: plain functions over a store."""

import json
from collections.abc import Iterator, Sequence
from typing import Final

from attrs import frozen

from orders_core.errors import InvalidPage, OrderConflict, OrderNotFound
from orders_core.order import Order
from orders_core.order_id import OrderId
from orders_core.outcome import Outcome
from orders_core.ports import OrderStore, PageQuery, Totals

MAX_PAGE: Final = 10_000
"""Most orders that one page may have."""


@frozen
class Page:
    """Some orders in ascending order of id, and whether there are more on either side.

    Orders are never removed, so there are always more on the side of the cursor that led here.

    Attributes:
        orders: The orders; empty when there are none on this side of the cursor.
        has_previous: Whether there are orders with smaller ids.
        has_next: Whether there are orders with greater ids.
    """

    orders: tuple[Order, ...]
    has_previous: bool
    has_next: bool


@frozen
class JsonPage:
    """A page of orders as JSON, in ascending order of id.

    Attributes:
        lines: Lines of JSON, one for each order.
        has_next: Whether there are orders with greater ids.
    """

    lines: bytes
    has_next: bool

    @classmethod
    def query(cls, limit: int, after: OrderId | None = None) -> PageQuery:
        """Make the query for a store; `of` makes a page from its answer.

        It asks for one order more than the limit, to learn whether there is a next page.

        Args:
            limit: The most orders on the page, 1 to 10,000.
            after: Start after this id; None starts at the smallest.

        Raises:
            InvalidPage: The limit is out of range.
        """
        _require_limit(limit)
        return PageQuery(limit + 1, after)

    @classmethod
    def of(cls, query: PageQuery, lines: bytes) -> "JsonPage":
        """Make a page from a store's answer to a query that `query` made."""
        if lines.count(b"\n") < query.limit:
            return cls(lines, has_next=False)
        return cls(lines[: lines.rfind(b"\n", 0, -1) + 1], has_next=True)

    @property
    def array(self) -> bytes:
        """The orders as one JSON array."""
        return b"[" + self.lines[:-1].replace(b"\n", b",") + b"]"

    @property
    def last(self) -> OrderId:
        """The id of the last order, after which the next page starts. An empty page has none.

        Raises:
            InvalidOrder: The store returned something that is not an order.
        """
        start = self.lines.rfind(b"\n", 0, -1) + 1
        return OrderId.of_stored(json.loads(self.lines[start:])["id"])


def place(store: OrderStore, order: Order) -> Outcome:
    """Store one order, once.

    Returns:
        `CREATED`, or `REPLAYED` when the same order was stored already.

    Raises:
        OrderConflict: The id is stored with another amount.
        StoreUnavailable: It may or may not be stored; placing it again is safe.
    """
    return _accepted([order], store.add([order]))[0]


def place_all(store: OrderStore, orders: Sequence[Order]) -> tuple[Outcome, ...]:
    """Store all of the orders or none of them, as one commit.

    Returns:
        `CREATED` or `REPLAYED` for each order, in the order given.

    Raises:
        OrderConflict: At least one id is stored, or occurs earlier among these orders, with
            another amount. Nothing was stored.
        StoreUnavailable: They may or may not be stored; placing them again is safe.
    """
    return _accepted(orders, store.add(orders, atomic=True))


def _accepted(orders: Sequence[Order], outcomes: Sequence[Outcome]) -> tuple[Outcome, ...]:
    conflicts = tuple(
        position for position, outcome in enumerate(outcomes) if outcome is Outcome.CONFLICT
    )
    if conflicts:
        raise OrderConflict(conflicts, tuple(orders[each].id.value for each in conflicts))
    return tuple(outcomes)


def place_each(store: OrderStore, orders: Sequence[Order]) -> tuple[Outcome, ...]:
    """Store every order that is not in conflict, as one commit.

    Returns:
        `CREATED`, `REPLAYED` or `CONFLICT` for each order, in the order given.

    Raises:
        StoreUnavailable: Any of them may be stored; placing them again is safe.
    """
    return tuple(store.add(orders))


def find(store: OrderStore, order_id: OrderId) -> Order:
    """Look up one order.

    Raises:
        OrderNotFound: No order has this id.
        StoreUnavailable: The store cannot answer.
    """
    (order,) = store.get([order_id])
    if order is None:
        raise OrderNotFound(order_id.value)
    return order


def page(
    store: OrderStore,
    limit: int,
    *,
    after: OrderId | None = None,
    before: OrderId | None = None,
) -> Page:
    """Read one page of orders in ascending order of id.

    Args:
        store: The store to read.
        limit: The most orders on the page, 1 to 10,000.
        after: Start after this id; None starts at the smallest.
        before: End before this id. Not together with `after`.

    Raises:
        InvalidPage: The limit is out of range, or both directions were given.
        StoreUnavailable: The store cannot answer.
    """
    _require_limit(limit)
    if after is not None and before is not None:
        message = "after and before exclude each other: a page is read in one direction"
        raise InvalidPage(message)
    # One more than asked, to learn whether there are more on that side.
    found = tuple(store.page(limit + 1, after=after, before=before))
    more = len(found) > limit
    if before is not None:
        return Page(found[-limit:], has_previous=more, has_next=True)
    return Page(found[:limit], has_previous=after is not None, has_next=more)


def page_json(store: OrderStore, limit: int, *, after: OrderId | None = None) -> JsonPage:
    """Read one page of orders as JSON, in ascending order of id.

    Args:
        store: The store to read.
        limit: The most orders on the page, 1 to 10,000.
        after: Start after this id; None starts at the smallest.

    Raises:
        InvalidPage: The limit is out of range.
        StoreUnavailable: The store cannot answer.
    """
    query = JsonPage.query(limit, after)
    (lines,) = store.pages_json([query])
    return JsonPage.of(query, lines)


def _require_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_PAGE:
        message = f"limit must be from 1 to {MAX_PAGE}, not {limit}"
        raise InvalidPage(message)


def scan(store: OrderStore, batch: int = 5_000) -> Iterator[Sequence[Order]]:
    """Read every order, batch by batch, in ascending order of id and in constant memory.

    Every order that was stored before the scan began is seen exactly once; one that is stored
    during the scan may or may not be.

    Args:
        store: The store to read.
        batch: Orders read at a time, 1 or more.

    Raises:
        InvalidPage: The batch is smaller than 1.
        StoreUnavailable: The store cannot answer; what was read before is valid.
    """
    _require_batch(batch)
    after: OrderId | None = None
    while True:
        orders = store.page(batch, after=after)
        if orders:
            yield orders
        if len(orders) < batch:
            return
        after = orders[-1].id


def scan_json(store: OrderStore, batch: int = 5_000) -> Iterator[bytes]:
    """Read every order as `scan` does, as lines of JSON.

    Args:
        store: The store to read.
        batch: Orders read at a time, 1 or more.

    Raises:
        InvalidPage: The batch is smaller than 1.
        StoreUnavailable: The store cannot answer; what was read before is valid.
    """
    _require_batch(batch)
    after: OrderId | None = None
    while True:
        (lines,) = store.pages_json([PageQuery(batch, after)])
        if lines:
            yield lines
        if lines.count(b"\n") < batch:
            return
        after = JsonPage(lines, has_next=True).last


def _require_batch(batch: int) -> None:
    if batch < 1:
        message = f"batch must be 1 or more, not {batch}"
        raise InvalidPage(message)


def totals(store: OrderStore) -> Totals:
    """Count the stored orders and sum their amounts, exactly and at one moment.

    Raises:
        StoreUnavailable: The store cannot answer.
    """
    return store.totals()
