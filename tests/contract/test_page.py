"""Reading the orders next to an id."""

import pytest

from orders_core import MAX_PAGE, Order, OrderId, OrderStore, page, scan

LETTERS = "bdfhj"


@pytest.fixture
def letters(store: OrderStore) -> OrderStore:
    """A store of five orders, added in no order, with a gap around each id."""
    store.add([Order(letter, 1) for letter in "hdjbf"])
    return store


def read(
    store: OrderStore,
    limit: int,
    *,
    after: str | None = None,
    before: str | None = None,
) -> str:
    orders = store.page(
        limit,
        after=None if after is None else OrderId(after),
        before=None if before is None else OrderId(before),
    )
    return "".join(order.id.value for order in orders)


def test_an_empty_store_has_an_empty_page(store: OrderStore) -> None:
    assert list(store.page(10)) == []
    assert read(store, 10, after="a") == ""
    assert read(store, 10, before="a") == ""


def test_a_page_is_in_order_of_id_not_of_arrival(letters: OrderStore) -> None:
    assert read(letters, 10) == LETTERS


@pytest.mark.parametrize("limit", [1, 2, 4, 5, 6, 10_001])
def test_a_page_starts_at_the_smallest_id_and_has_at_most_the_limit(
    letters: OrderStore,
    limit: int,
) -> None:
    assert read(letters, limit) == LETTERS[:limit]


@pytest.mark.parametrize("limit", [1, 2, 3, 9])
@pytest.mark.parametrize("position", range(len(LETTERS)))
def test_a_page_after_an_id_starts_just_after_it(
    letters: OrderStore,
    position: int,
    limit: int,
) -> None:
    expected = LETTERS[position + 1 :][:limit]
    assert read(letters, limit, after=LETTERS[position]) == expected


@pytest.mark.parametrize("limit", [1, 2, 3, 9])
@pytest.mark.parametrize("position", range(len(LETTERS)))
def test_a_page_before_an_id_is_nearest_to_it_and_ascending(
    letters: OrderStore,
    position: int,
    limit: int,
) -> None:
    expected = LETTERS[max(0, position - limit) : position]
    assert read(letters, limit, before=LETTERS[position]) == expected


def test_a_page_may_start_after_an_id_that_is_not_stored(letters: OrderStore) -> None:
    assert read(letters, 2, after="c") == "df"
    assert read(letters, 2, after="a") == "bd"
    assert read(letters, 2, after="bb") == "df"


def test_a_page_may_end_before_an_id_that_is_not_stored(letters: OrderStore) -> None:
    assert read(letters, 2, before="g") == "df"
    assert read(letters, 2, before="z") == "hj"
    assert read(letters, 2, before="jj") == "hj"


def test_there_is_nothing_after_the_greatest_id(letters: OrderStore) -> None:
    assert read(letters, 10, after="j") == ""
    assert read(letters, 10, after="\U0010ffff" * 128) == ""


def test_there_is_nothing_before_the_smallest_id(letters: OrderStore) -> None:
    assert read(letters, 10, before="b") == ""
    assert read(letters, 10, before="!") == ""


def test_a_page_has_the_orders_as_they_were_added(store: OrderStore) -> None:
    orders = [Order("a", "0.01"), Order("b", "9999999999999.99"), Order("c", 0)]
    store.add(orders)
    assert list(store.page(10)) == orders
    assert list(store.page(10, after=OrderId("a"))) == orders[1:]
    assert list(store.page(10, before=OrderId("c"))) == orders[:2]


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 7])
def test_walking_up_reads_every_order_once(letters: OrderStore, limit: int) -> None:
    found, part = "", read(letters, limit)
    while part:
        found += part
        part = read(letters, limit, after=part[-1])
    assert found == LETTERS


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 7])
def test_walking_down_reads_every_order_once(letters: OrderStore, limit: int) -> None:
    found, part = "", read(letters, limit, before="z")
    while part:
        found = part + found
        part = read(letters, limit, before=part[0])
    assert found == LETTERS


def test_an_added_order_is_on_the_next_page_that_is_read(letters: OrderStore) -> None:
    letters.add([Order("c", 1), Order("k", 1)])
    assert read(letters, 10, after="b") == "cdfhjk"


def test_the_largest_page_of_the_use_case_is_read_whole(store: OrderStore) -> None:
    orders = [Order(f"id-{number:05}", 1) for number in range(MAX_PAGE + 1)]
    store.add(orders)
    first = page(store, MAX_PAGE)
    assert (list(first.orders), first.has_next) == (orders[:-1], True)
    last = page(store, MAX_PAGE, after=first.orders[-1].id)
    assert (list(last.orders), last.has_next) == (orders[-1:], False)


@pytest.mark.parametrize("batch", [1, 4, 5, 6])
def test_a_scan_reads_every_order_once(letters: OrderStore, batch: int) -> None:
    assert [order.id.value for part in scan(letters, batch) for order in part] == list(LETTERS)
