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
        limit: The most orders to read, 1 or more.
        after: Read the smallest ids that are greater than this one; None starts at the smallest.
    """

    limit: int
    after: OrderId | None = None


class Pending(Protocol):
    """A call that a store has begun, and whose results arrive on a socket.

    An event loop can wait for that socket among others, so that no thread waits in the store. It
    belongs to one thread at a time.
    """

    def fileno(self) -> int:
        """Return the number of the socket to wait for, until it has something to read."""

    def proceed(self) -> bool:
        """Handle what has arrived, without waiting; tell whether the call has ended.

        Call it now and then when nothing has arrived: the call ends when it takes too long.
        """

    def results(self) -> Sequence[Any] | None:
        """Return the results, one for each item of the call. Call it once, when the call has ended.

        Returns:
            None when the connection was lost: run the call, which is safe to do twice.

        Raises:
            StoreUnavailable: As `Call.run` would.
        """


class OrderStore(Protocol):
    """Keeps orders permanently, each id once.

    Every method may be called from several threads at once. When one returns, what it reports
    is durable and visible to every later call on every store of the same data. When something
    outside fails, each raises `StoreUnavailable` and nothing else.
    """

    def begin(self, call: "Call") -> Pending | None:
        """Begin a call without waiting for its end.

        Returns:
            The call under way; None when this store cannot begin it without waiting now, or
            never can. Then run it on a thread that may wait.
        """

    def add(self, orders: Sequence[Order], *, atomic: bool = False) -> Sequence[Outcome]:
        """Store the orders as one batch: one commit, and no more statements for many than for one.

        Orders take effect in the order given: of two with the same id in a batch, the first
        counts as stored when the second is judged. An empty batch does nothing.

        Args:
            orders: Any number of orders.
            atomic: Store all or none: when any order is in conflict, store nothing.

        Returns:
            The outcome of each order, in the order given. Of an atomic batch with a conflict,
            nothing is stored; the outcomes of its other orders say what they would have been.

        Raises:
            StoreUnavailable: It is unknown which orders are stored; adding them again is safe.
        """

    def load(self, rows: Sequence[OrderRow]) -> bool:
        """Store orders that are all new, as fast as the store can, or store nothing.

        For many orders that are known to be acceptable: the store does not check them again.

        Args:
            rows: The orders. Each amount is plain digits with at most two decimals, like `12.3`.

        Returns:
            Whether they are stored now, with one commit. If not, an id is stored already or
            occurs twice, and nothing was changed; `add` reports the outcome of each.

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
            limit: The most orders to read, 1 or more.
            after: Read upwards: the smallest ids that are greater than this one.
            before: Read downwards: the greatest ids that are smaller than this one, and return
                them in ascending order too. Not together with `after`.
        """

    def pages_json(self, queries: Sequence[PageQuery]) -> Sequence[bytes]:
        """Read pages upwards, each written as JSON: see `orders_core.json_lines`.

        A store that can write JSON itself need not make an object for each order. It writes exactly
        the bytes that `json_lines` writes.

        Args:
            queries: Any number of pages.

        Returns:
            Each page, in the order asked.
        """

    def totals(self) -> Totals:
        """Count the orders and sum their amounts, exactly and at one moment."""

    def check(self) -> None:
        """Prove that orders can be read and added now, in the schema that this release needs.

        Only a durable write proves it, but no order is written for it. It checks the store as a
        new client would find it: connections that are open already must not hide a failure.

        Raises:
            StoreUnavailable: With the reason: `READ_ONLY` when the store accepts no writes,
                `REFUSED` when this user may not add, `EXHAUSTED` when the disk is full.
        """

    def renew(self) -> None:
        """Use new passwords, certificates and the like as soon as the current calls have ended.

        Never blocks and never raises; calls under way are not interrupted.
        """

    def close(self) -> None:
        """Close every connection and file. A closed store must not be used again."""


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
