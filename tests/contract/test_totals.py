"""The count and the exact sum."""

from decimal import Decimal
from fractions import Fraction
from functools import partial
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orders_core import MAX_CENTS, Amount, Order, OrderStore, Totals, scan
from tests.contract.threads import at_once, in_background
from tests.strategies import amounts


def test_an_empty_store_sums_to_zero_with_two_decimals(store: OrderStore) -> None:
    totals = store.totals()
    assert totals == Totals(0, Decimal(0))
    assert str(totals.amount) == "0.00"


def test_totals_are_the_count_and_the_exact_sum(store: OrderStore) -> None:
    store.add([Order("a", "0.10"), Order("b", "0.20"), Order("c", "12.30")])
    totals = store.totals()
    assert (totals.count, str(totals.amount)) == (3, "12.60")


def test_orders_of_zero_are_counted(store: OrderStore) -> None:
    store.add([Order("a", 0), Order("b", 0)])
    totals = store.totals()
    assert (totals.count, str(totals.amount)) == (2, "0.00")


def test_replays_and_conflicts_are_not_counted(store: OrderStore) -> None:
    store.add([Order("a", 1), Order("a", 1), Order("a", 5)])
    store.add([Order("a", 1), Order("b", 2), Order("a", 7)])
    assert store.totals() == Totals(2, Decimal(3))


def test_a_refused_atomic_batch_is_not_counted(store: OrderStore) -> None:
    store.add([Order("a", 1)])
    store.add([Order("b", 1), Order("a", 2)], atomic=True)
    assert store.totals() == Totals(1, Decimal(1))


def test_a_sum_beyond_64_bits_is_exact(store: OrderStore) -> None:
    largest = Amount.from_cents(MAX_CENTS)
    store.add([Order(f"id-{number:05}", largest) for number in range(10_000)])
    totals = store.totals()
    assert MAX_CENTS * 10_000 > 2**63
    assert (totals.count, str(totals.amount)) == (10_000, "99999999999999900.00")


def test_hundredths_are_carried_exactly(store: OrderStore) -> None:
    store.add([Order(f"id-{number:05}", "0.01") for number in range(9_999)])
    store.add([Order("large", "9999999999999.99")])
    assert str(store.totals().amount) == "10000000000099.98"


def test_totals_are_right_after_concurrent_writes(store: OrderStore) -> None:
    orders = [Order(f"{number:02}", number) for number in range(60)]

    def write(seed: int) -> None:
        random = Random(seed)  # noqa: S311 - the same batches in every run
        for _ in range(12):
            batch = [
                Order(each.id, random.choice([each.amount, Amount(99)]))
                for each in random.sample(orders, random.choice([1, 2, 20]))
            ]
            store.add(batch, atomic=random.random() < 0.5)

    at_once([partial(write, seed) for seed in range(8)])
    found = [order for batch in scan(store) for order in batch]
    assert store.totals() == Totals(len(found), sum((o.amount.value for o in found), Decimal(0)))


def test_totals_never_include_part_of_a_batch(store: OrderStore) -> None:
    def write() -> None:
        for number in range(20):
            store.add([Order(f"{number}-{each}", "0.25") for each in range(8)])

    with in_background(write) as goes_on:
        while goes_on():
            totals = store.totals()
            assert (totals.count % 8, totals.amount) == (0, totals.count * Decimal("0.25"))


def test_totals_read_twice_are_the_same(store: OrderStore) -> None:
    store.add([Order("a", "1.23")])
    assert store.totals() == store.totals()


# All examples add to one store, so that sums grow.
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(batch=st.lists(amounts(), max_size=50))
def test_any_sum_is_exact(store: OrderStore, batch: list[Amount]) -> None:
    before = store.totals()
    store.add([Order(f"{before.count + n}", amount) for n, amount in enumerate(batch)])
    after = store.totals()
    assert after.count == before.count + len(batch)
    added = sum((Fraction(amount.cents, 100) for amount in batch), Fraction())
    assert Fraction(after.amount) == Fraction(before.amount) + added
