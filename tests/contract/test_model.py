"""Any calls in any order, against a dict."""

from collections.abc import Callable
from typing import Final

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from orders_core import Amount, Order, OrderId, Outcome, PageQuery, order_to_json, scan
from tests.contract.data import Data
from tests.strategies import amounts, order_ids

# There are few ids and amounts, so that orders collide.
FEW_IDS: Final = [
    OrderId(text) for text in ("a", "b", "aa", "A", "'\\\"{,}", "\uffff", "\U00010000")
]
FEW_AMOUNTS: Final = [Amount(text) for text in ("0", "0.01", "9999999999999.99")]
IDS: Final = st.one_of(st.sampled_from(FEW_IDS), order_ids())
ORDERS: Final = st.builds(Order, IDS, st.one_of(st.sampled_from(FEW_AMOUNTS), amounts()))


class OrdersModel(RuleBasedStateMachine):
    """A store, and a dict from ids to hundredths with the expected orders."""

    def __init__(self, new_data: Callable[[], Data]) -> None:
        super().__init__()
        self._data = new_data()
        self._store = self._data.open()
        self._cents: dict[str, int] = {}

    def _order(self, text: str) -> Order:
        return Order(text, Amount.from_cents(self._cents[text]))

    def _sorted(self) -> list[Order]:
        return [self._order(text) for text in sorted(self._cents, key=str.encode)]

    @initialize(orders=st.lists(ORDERS, max_size=20, unique_by=lambda order: order.id))
    def begin(self, orders: list[Order]) -> None:
        self._store.add(orders)
        self._cents = {order.id.value: order.amount.cents for order in orders}

    @rule(orders=st.lists(ORDERS, max_size=10), atomic=st.booleans())
    def add(self, orders: list[Order], *, atomic: bool) -> None:
        after, expected = dict(self._cents), []
        for order in orders:
            cents = order.amount.cents
            if order.id.value not in after:
                after[order.id.value] = cents
                expected.append(Outcome.CREATED)
            elif after[order.id.value] == cents:
                expected.append(Outcome.REPLAYED)
            else:
                expected.append(Outcome.CONFLICT)
        assert list(self._store.add(orders, atomic=atomic)) == expected
        if not (atomic and Outcome.CONFLICT in expected):
            self._cents = after

    @rule(orders=st.lists(ORDERS, max_size=10))
    def load(self, orders: list[Order]) -> None:
        new = {order.id.value: order.amount.cents for order in orders}
        all_new = len(new) == len(orders) and new.keys().isdisjoint(self._cents)
        rows = [order.row for order in orders]
        assert self._store.load(rows) == all_new
        if all_new:
            self._cents |= new

    @precondition(lambda self: self._cents)
    @rule(data=st.data(), atomic=st.booleans())
    def add_again(self, data: st.DataObject, *, atomic: bool) -> None:
        text = data.draw(st.sampled_from(sorted(self._cents)))
        assert list(self._store.add([self._order(text)], atomic=atomic)) == [Outcome.REPLAYED]

    @rule(ids=st.lists(IDS, max_size=10))
    def get(self, ids: list[OrderId]) -> None:
        expected = [self._order(each.value) if each.value in self._cents else None for each in ids]
        assert list(self._store.get(ids)) == expected

    @rule(limit=st.integers(1, 30))
    def page(self, limit: int) -> None:
        assert list(self._store.page(limit)) == self._sorted()[:limit]

    @rule(limit=st.integers(1, 30), after=IDS)
    def page_after(self, limit: int, after: OrderId) -> None:
        greater = [order for order in self._sorted() if order.id.value > after.value]
        assert list(self._store.page(limit, after=after)) == greater[:limit]

    @rule(limit=st.integers(1, 30), after=st.none() | IDS)
    def page_json(self, limit: int, after: OrderId | None) -> None:
        orders = self._store.page(limit, after=after)
        expected = b"".join(order_to_json(order) + b"\n" for order in orders)
        assert list(self._store.pages_json([PageQuery(limit, after)])) == [expected]

    @rule(limit=st.integers(1, 30), before=IDS)
    def page_before(self, limit: int, before: OrderId) -> None:
        smaller = [order for order in self._sorted() if order.id.value < before.value]
        assert list(self._store.page(limit, before=before)) == smaller[-limit:]

    @rule(batch=st.integers(1, 30))
    def scan(self, batch: int) -> None:
        scanned = [order for part in scan(self._store, batch) for order in part]
        assert scanned == self._sorted()

    @rule()
    def check(self) -> None:
        self._store.check()

    @precondition(lambda self: self._data.durable)
    @rule()
    def open_again(self) -> None:
        earlier, self._store = self._store, self._data.open()
        assert earlier.totals() == self._store.totals()
        earlier.close()

    @invariant()
    def totals(self) -> None:
        totals = self._store.totals()
        assert totals.count == len(self._cents)
        assert int(totals.amount.scaleb(2)) == sum(self._cents.values())

    def teardown(self) -> None:
        self._store.close()


def test_any_sequence_of_calls_behaves_like_a_dict(new_data: Callable[[], Data]) -> None:
    class Model(OrdersModel):
        def __init__(self) -> None:
            super().__init__(new_data)

    run_state_machine_as_test(Model)
