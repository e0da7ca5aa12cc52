"""Looking orders up by id."""

from decimal import Decimal

from orders_core import Amount, Order, OrderId, OrderStore


def ids(*texts: str) -> list[OrderId]:
    return list(map(OrderId, texts))


def test_an_order_that_was_added_is_found(store: OrderStore) -> None:
    store.add([Order("a", "12.30")])
    assert list(store.get(ids("a"))) == [Order("a", "12.30")]


def test_an_id_that_was_not_added_gives_none(store: OrderStore) -> None:
    assert list(store.get(ids("a"))) == [None]


def test_the_answers_are_in_the_order_asked(store: OrderStore) -> None:
    store.add([Order("a", 1), Order("b", 2), Order("c", 3)])
    assert list(store.get(ids("c", "x", "a", "b"))) == [
        Order("c", 3),
        None,
        Order("a", 1),
        Order("b", 2),
    ]


def test_an_id_asked_twice_is_answered_twice(store: OrderStore) -> None:
    store.add([Order("a", 1)])
    assert list(store.get(ids("a", "x", "a", "x"))) == [Order("a", 1), None] * 2


def test_looking_up_no_ids_gives_no_orders(store: OrderStore) -> None:
    store.add([Order("a", 1)])
    assert list(store.get([])) == []


def test_an_order_is_found_with_every_part_unchanged(store: OrderStore) -> None:
    order = Order("a", "1e2")
    store.add([order])
    (found,) = store.get([order.id])
    assert found is not None
    assert (type(found.id), type(found.amount)) == (OrderId, Amount)
    assert found.amount.value.as_tuple() == Decimal("100.00").as_tuple()
    assert hash(found) == hash(order)


def test_an_id_is_found_only_by_its_exact_text(store: OrderStore) -> None:
    store.add([Order("a_c%", 1)])
    others = ids("A_C%", "abc", "a_c", "a_c%%", "abcd", "%", "_", "a_c% %")
    assert list(store.get(others)) == [None] * len(others)


def test_ten_thousand_ids_are_found_at_once(store: OrderStore) -> None:
    orders = [Order(f"id-{number:05}", number) for number in range(10_000)]
    store.add(orders)
    asked = [order.id for order in reversed(orders)] + ids("x")
    assert list(store.get(asked)) == [*reversed(orders), None]
