from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import pairwise

import pytest

from orders_core import (
    MAX_PAGE,
    InvalidPage,
    Order,
    OrderConflict,
    OrderId,
    OrderNotFound,
    Outcome,
    Page,
    Totals,
    find,
    page,
    page_json,
    place,
    place_all,
    place_each,
    scan,
    scan_json,
    totals,
)
from orders_memory import MemoryStore

CREATED, REPLAYED, CONFLICT = Outcome.CREATED, Outcome.REPLAYED, Outcome.CONFLICT
LETTERS = [Order(letter, 1) for letter in "abcdef"]


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def letters(store: MemoryStore) -> MemoryStore:
    """A store with the orders a to f."""
    store.add(LETTERS)
    return store


def spelled(orders: Sequence[Order]) -> str:
    return "".join(order.id.value for order in orders)


def test_placing_an_order_says_whether_it_was_stored_already(store: MemoryStore) -> None:
    assert place(store, Order("a", "12.30")) is CREATED
    assert place(store, Order("a", "12.3")) is REPLAYED


def test_placing_an_id_with_another_amount_is_a_conflict(store: MemoryStore) -> None:
    place(store, Order("a", 1))
    with pytest.raises(OrderConflict) as caught:
        place(store, Order("a", 2))
    assert (caught.value.positions, caught.value.ids) == ((0,), ("a",))
    assert find(store, OrderId("a")) == Order("a", 1)


def test_placing_all_stores_all(store: MemoryStore) -> None:
    place(store, Order("b", 1))
    assert place_all(store, LETTERS[:3]) == (CREATED, REPLAYED, CREATED)
    assert spelled(store.page(10)) == "abc"


def test_placing_all_stores_nothing_if_one_is_in_conflict(store: MemoryStore) -> None:
    place(store, Order("b", 2))
    orders = [Order("a", 1), Order("b", 1), Order("c", 1), Order("a", 3)]
    with pytest.raises(OrderConflict) as caught:
        place_all(store, orders)
    assert (caught.value.positions, caught.value.ids) == ((1, 3), ("b", "a"))
    assert store.page(10) == [Order("b", 2)]


def test_placing_each_stores_every_order_that_is_not_in_conflict(store: MemoryStore) -> None:
    place(store, Order("b", 2))
    outcomes = place_each(store, [Order("a", 1), Order("b", 1), Order("b", 2)])
    assert outcomes == (CREATED, CONFLICT, REPLAYED)
    assert spelled(store.page(10)) == "ab"


def test_placing_none_does_nothing(store: MemoryStore) -> None:
    assert place_all(store, []) == place_each(store, []) == ()
    assert totals(store).count == 0


def test_an_order_is_found_by_its_id(letters: MemoryStore) -> None:
    assert find(letters, OrderId("c")) == Order("c", 1)


def test_an_order_that_was_not_placed_is_not_found(letters: MemoryStore) -> None:
    with pytest.raises(OrderNotFound) as caught:
        find(letters, OrderId("x"))
    assert caught.value.id == "x"


@pytest.mark.parametrize("limit", [1, 2, 5, 6, 7, MAX_PAGE])
def test_the_first_page_has_nothing_before_it(letters: MemoryStore, limit: int) -> None:
    expected = Page(tuple(LETTERS[:limit]), has_previous=False, has_next=limit < 6)
    assert page(letters, limit) == expected


def test_a_page_after_an_id_has_something_before_it(letters: MemoryStore) -> None:
    found = page(letters, 2, after=OrderId("b"))
    assert found == Page(tuple(LETTERS[2:4]), has_previous=True, has_next=True)


def test_the_last_page_has_nothing_after_it(letters: MemoryStore) -> None:
    found = page(letters, 2, after=OrderId("d"))
    assert found == Page(tuple(LETTERS[4:]), has_previous=True, has_next=False)


def test_a_page_after_the_last_order_is_empty(letters: MemoryStore) -> None:
    found = page(letters, 2, after=OrderId("f"))
    assert found == Page((), has_previous=True, has_next=False)


def test_a_page_before_an_id_ends_just_before_it(letters: MemoryStore) -> None:
    found = page(letters, 2, before=OrderId("e"))
    assert found == Page(tuple(LETTERS[2:4]), has_previous=True, has_next=True)


def test_a_page_before_an_id_that_reaches_the_first_order_says_so(letters: MemoryStore) -> None:
    found = page(letters, 2, before=OrderId("c"))
    assert found == Page(tuple(LETTERS[:2]), has_previous=False, has_next=True)


def test_a_page_before_the_first_order_is_empty(letters: MemoryStore) -> None:
    found = page(letters, 2, before=OrderId("a"))
    assert found == Page((), has_previous=False, has_next=True)


def test_an_empty_store_has_one_empty_page(store: MemoryStore) -> None:
    assert page(store, 10) == Page((), has_previous=False, has_next=False)


@pytest.mark.parametrize("limit", [0, -1, MAX_PAGE + 1])
def test_a_page_limit_out_of_range_is_refused(store: MemoryStore, limit: int) -> None:
    with pytest.raises(InvalidPage, match=rf"^limit must be from 1 to 10000, not {limit}$"):
        page(store, limit)
    with pytest.raises(InvalidPage, match=rf"^limit must be from 1 to 10000, not {limit}$"):
        page_json(store, limit)


def test_a_page_in_two_directions_is_refused(store: MemoryStore) -> None:
    with pytest.raises(InvalidPage, match=r"^after and before exclude each other"):
        page(store, 1, after=OrderId("a"), before=OrderId("b"))


def pages_forward(store: MemoryStore, limit: int) -> Iterator[Page]:
    read = page(store, limit)
    yield read
    while read.has_next:
        read = page(store, limit, after=read.orders[-1].id)
        yield read


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 6, 10])
def test_walking_forward_and_back_reads_the_same_pages(letters: MemoryStore, limit: int) -> None:
    there = list(pages_forward(letters, limit))
    assert "".join(spelled(each.orders) for each in there) == "abcdef"
    for earlier, later in pairwise(there):
        assert page(letters, limit, before=later.orders[0].id).orders == earlier.orders


@pytest.mark.parametrize("batch", [1, 2, 3, 5, 6, 7, 5_000])
def test_a_scan_reads_every_order_in_order(letters: MemoryStore, batch: int) -> None:
    batches = list(scan(letters, batch))
    assert "".join(map(spelled, batches)) == "abcdef"
    assert all(0 < len(each) <= batch for each in batches)


def test_a_scan_of_an_empty_store_reads_nothing(store: MemoryStore) -> None:
    assert list(scan(store)) == []


def test_a_scan_reads_what_was_stored_before_it_began_exactly_once(letters: MemoryStore) -> None:
    read: list[Order] = []
    for batch in scan(letters, 2):
        read += batch
        letters.add([Order(f"{batch[0].id}-late", 1)])
    assert [order for order in read if order in LETTERS] == LETTERS
    assert len(set(read)) == len(read)


@pytest.mark.parametrize("batch", [0, -1])
def test_a_scan_in_empty_batches_is_refused(store: MemoryStore, batch: int) -> None:
    with pytest.raises(InvalidPage, match=rf"^batch must be 1 or more, not {batch}$"):
        next(scan(store, batch))
    with pytest.raises(InvalidPage, match=rf"^batch must be 1 or more, not {batch}$"):
        next(scan_json(store, batch))


def test_totals_are_the_count_and_the_exact_sum(letters: MemoryStore) -> None:
    place(letters, Order("g", "0.07"))
    assert totals(letters) == Totals(7, Decimal("6.07"))
