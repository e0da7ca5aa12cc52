"""What the core needs of the outside world, as Protocols that adapters satisfy by shape."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar, Literal, Protocol

from attrs import frozen

from orders_core.order import Order, OrderRow
from orders_core.order_id import OrderId
from orders_core.outcome import Outcome


@frozen
class Totals:
    """How many orders are stored and what they sum to, both at one moment.

    Attributes:
        count: The number of orders.
        amount: Their exact sum: a Decimal of two places with no upper bound.
    """

    count: int
    amount: Decimal


@frozen
class PageQuery:
    """Which orders to read, in ascending order of id.

    Attributes:
        limit: How many orders at most, 1 or more.
        after: Read the smallest ids that are greater than this one; None begins at the smallest.
    """

    limit: int
    after: OrderId | None = None


class Pending(Protocol):
    """A call that a store has begun, and whose results arrive on a socket.

    An event loop can wait for that socket among others, so that no thread waits in the store. It
    belongs to one thread at a time.
    """

    def fileno(self) -> int:
        """Give the number of the socket to wait for, until it has something to read."""

    def proceed(self) -> bool:
        """Handle what has arrived, without waiting; tell whether the call has ended.

        Call it now and then when nothing has arrived: the call ends when it takes too long.
        """

    def results(self) -> Sequence[Any] | None:
        """Give the results, one for each item of the call. Call it once, when the call has ended.

        Returns:
            None when the connection was lost: run the call, which is safe to do twice.

        Raises:
            StoreUnavailable: As `Call.run` would.
        """


class OrderStore(Protocol):
    """Keeps orders, each id once and for ever.

    Every method may be called from several threads at once. When one returns, what it reports
    is durable and visible to every later call on every store of the same data. Each raises
    `StoreUnavailable`, and nothing else, when the world fails.
    """

    def begin(self, call: "Call") -> Pending | None:
        """Begin a call without waiting for its end.

        Returns:
            The call under way; None when this store cannot begin it without waiting now, or
            never can. Then run it on a thread that may wait.
        """

    def add(self, orders: Sequence[Order], *, atomic: bool = False) -> Sequence[Outcome]:
        """Store the orders as one batch: one commit, and no more statements for many than for one.

        Orders take effect in the order given: of two with one id in one batch, the first
        counts as stored when the second is judged. An empty batch does nothing.

        Args:
            orders: Any number of orders.
            atomic: Store all or none: when any order is in conflict, store nothing.

        Returns:
            The outcome of each order, in the order given. An atomic batch with a conflict
            is stored not at all, so its other orders' outcomes then say what they would be.

        Raises:
            StoreUnavailable: It is unknown which orders are stored; adding them again is safe.
        """

    def load(self, rows: Sequence[OrderRow]) -> bool:
        """Store orders that are all new, as fast as the store can, or store nothing.

        For many orders that were checked already: the store does not do it once more.

        Args:
            rows: The id and the amount of each order, as `Order` accepts them; the amount in
                plain digits with at most two decimals, like `12.3`.

        Returns:
            Whether they are stored now, with one commit. If not, an id among them is stored
            already or there twice, and nothing was changed: `add` tells of each what it is.

        Raises:
            StoreUnavailable: It is unknown whether they are stored; adding them is safe.
        """

    def get(self, ids: Sequence[OrderId]) -> Sequence[Order | None]:
        """Look up orders.

        Returns:
            For each id, in the order given, its order, or None when there is none.
        """

    def page(
        self,
        limit: int,
        *,
        after: OrderId | None = None,
        before: OrderId | None = None,
    ) -> Sequence[Order]:
        """Read the orders next to an id, in ascending order of id by code point.

        Neither `after` nor `before` need be the id of a stored order. Without either, read
        from the smallest id.

        Args:
            limit: How many orders at most, 1 or more.
            after: Read upwards: the smallest ids that are greater than this one.
            before: Read downwards: the greatest ids that are smaller than this one, and return
                them in ascending order all the same. Not together with `after`.
        """

    def pages_json(self, queries: Sequence[PageQuery]) -> Sequence[bytes]:
        """Read pages upwards, each written as JSON: see `orders_core.json_lines`.

        A store that can write JSON by itself spares the making of an object for each order. It
        writes the very bytes that `json_lines` writes.

        Args:
            queries: Any number of pages.

        Returns:
            Each page, in the order asked.
        """

    def totals(self) -> Totals:
        """Count the orders and sum their amounts, exactly and at one moment."""

    def check(self) -> None:
        """Prove that orders can be read and added now, in the schema that this release needs.

        Nothing less than a durable write proves it, and no order is written for it. It looks at
        the store as it is now: what was open before must not hide what a new client would meet.

        Raises:
            StoreUnavailable: With the reason: `READ_ONLY` when the store takes no writes,
                `REFUSED` when this user may not add, `EXHAUSTED` when the disk is full.
        """

    def renew(self) -> None:
        """Take passwords, certificates and the like anew, as soon as the work in hand is done.

        It waits for nothing and fails never; calls that are under way end as they would.
        """

    def close(self) -> None:
        """Give back every connection and file. A closed store is not used again."""


@frozen
class AddOrders:
    """The call `OrderStore.add`: each order is stored on its own merits.

    Attributes:
        items: The orders.
    """

    items: Sequence[Order]
    operation: ClassVar[Literal["add"]] = "add"

    def run(self, store: OrderStore) -> Sequence[Outcome]:
        """Make the call, and wait for its results: one for each item."""
        return store.add(self.items)


@frozen
class GetOrders:
    """The call `OrderStore.get`.

    Attributes:
        items: The ids to look up.
    """

    items: Sequence[OrderId]
    operation: ClassVar[Literal["get"]] = "get"

    def run(self, store: OrderStore) -> Sequence[Order | None]:
        """Make the call, and wait for its results: one for each item."""
        return store.get(self.items)


@frozen
class ReadPages:
    """The call `OrderStore.pages_json`.

    Attributes:
        items: The pages to read.
    """

    items: Sequence[PageQuery]
    operation: ClassVar[Literal["page"]] = "page"

    def run(self, store: OrderStore) -> Sequence[bytes]:
        """Make the call, and wait for its results: one for each item."""
        return store.pages_json(self.items)


Call = AddOrders | GetOrders | ReadPages
"""A call of a store that takes many items at once, so that calls of one kind can be joined."""
