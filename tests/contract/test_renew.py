"""Renewing: whatever a store connects with is read again, and nobody notices."""

from contextlib import closing
from functools import partial

from orders_core import Order, OrderStore, Outcome, PageQuery
from tests.contract.data import Data
from tests.contract.threads import at_once, in_background


def test_a_renewed_store_keeps_its_orders_and_accepts_more(store: OrderStore) -> None:
    store.add([Order("a", 1)])
    store.renew()
    assert list(store.add([Order("a", 1), Order("b", 2)])) == [Outcome.REPLAYED, Outcome.CREATED]
    assert list(store.page(10)) == [Order("a", 1), Order("b", 2)]


def test_a_store_may_be_renewed_before_its_first_use_and_again(store: OrderStore) -> None:
    store.renew()
    store.renew()
    store.check()


def test_a_closed_store_may_be_renewed(data: Data) -> None:
    with closing(data.open()) as store:
        store.check()
    store.renew()


def test_renewing_does_not_disturb_calls_under_way(store: OrderStore) -> None:
    def write(name: str) -> None:
        for number in range(25):
            batch = [Order(f"{name}-{number}-{each}", 1) for each in range(3)]
            assert list(store.add(batch, atomic=True)) == [Outcome.CREATED] * 3
            assert list(store.get([batch[0].id])) == [batch[0]]
            store.pages_json([PageQuery(2)])

    def write_at_once() -> None:
        at_once([partial(write, name) for name in "abcd"])

    with in_background(write_at_once) as goes_on:
        while goes_on():
            store.renew()
    assert store.totals().count == 4 * 25 * 3
