"""Ids that have broken one system or another."""

import json
from itertools import pairwise

import pytest

from orders_core import InvalidOrder, Order, OrderId, OrderStore, Outcome, scan, scan_json

ODD = [
    *("a", "A", "b", "aa", "a b", "a  b", "1", "01", "1.0", "1e5", "-0", "0x1F", "...", "-", "_"),
    *("'", "''", "O'Brien", '"', '""', 'say "hello"', "`", "'); DROP TABLE orders; --", "$$", "$1"),
    *("\\", "\\\\", "a\\", "\\n", "\\x00", "\\u0041", "\\'", '\\"', "E'\\n'", "U&'\\0041'"),
    *(",", "a,b", "{}", "{a,b}", '{"a","b"}', "{", "}", "[1:1]={a}", "(a,b)", '["a"]', '{"id": 1}'),
    *("NULL", "null", '"NULL"', "None", "true", "NaN", "Infinity", "DEFAULT", "undefined"),
    *(
        "%",
        "100%",
        "%s",
        "%%",
        "%2F",
        "%00",
        "_%",
        "?",
        ":id",
        "@id",
        "#",
        "a/b",
        "/",
        "//",
        "&amp;",
    ),
    *("=1+1", "+1", "@SUM(A1)", "<script>alert(1)</script>", "${HOME}", "{{7*7}}", "*", "..;/"),
    *("\u00e9", "e\u0301", "\u00df", "SS", "\u0130", "\u0131", "\u212a", "K", "\ufb01", "\u1e9e"),
    *("\u05e9\u05dc\u05d5\u05dd", "\u0645\u0631\u062d\u0628\u0627", "a\u202ebc", "a\u2066b\u2069c"),
    *("a\u200bb", "a\u200db", "a\ufeffb", "a\u2028b", "a\u00a0b", "a\u00adb", "a\u0301\u0302"),
    *("\u4e2d\u6587", "\ud7ff", "\ue000", "\uf8ff", "\ufffd", "\ufffe", "\uffff", "\u0378"),
    *("\U00010000", "\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0010ffff"),
    *("\U0001fffe", "\U0001f600" * 128, "\uffff" * 128, "x" * 128, "\\" * 128, '"' * 128),
    *("a" * 127, "a" * 128, "a" * 127 + "\U0001f600"),
]
ORDERS = [Order(text, number) for number, text in enumerate(ODD)]
# The order of UTF-8 bytes is that of the code points.
SORTED = sorted(ORDERS, key=lambda order: order.id.value.encode())


def test_odd_ids_are_distinct_and_found_when_added_at_once(store: OrderStore) -> None:
    assert list(store.add(ORDERS)) == [Outcome.CREATED] * len(ORDERS)
    assert list(store.get([order.id for order in ORDERS])) == ORDERS


def test_odd_ids_are_distinct_and_found_when_added_one_by_one(store: OrderStore) -> None:
    for order in ORDERS:
        assert list(store.add([order])) == [Outcome.CREATED]
        assert list(store.get([order.id])) == [order]
    assert store.totals().count == len(ORDERS)


def test_odd_ids_are_stored_by_an_atomic_batch(store: OrderStore) -> None:
    assert list(store.add(ORDERS, atomic=True)) == [Outcome.CREATED] * len(ORDERS)
    assert list(store.page(1_000)) == SORTED


def test_odd_ids_are_replayed(store: OrderStore) -> None:
    store.add(ORDERS)
    assert list(store.add(ORDERS[::-1])) == [Outcome.REPLAYED] * len(ORDERS)
    for order in ORDERS:
        assert list(store.add([order])) == [Outcome.REPLAYED]


def test_odd_ids_are_in_conflict_with_another_amount(store: OrderStore) -> None:
    store.add(ORDERS)
    others = [Order(order.id, "0.99") for order in ORDERS]
    assert list(store.add(others)) == [Outcome.CONFLICT] * len(ORDERS)


def test_pages_are_in_order_of_code_point(store: OrderStore) -> None:
    store.add(ORDERS)
    assert list(store.page(1_000)) == SORTED


def test_a_page_can_start_after_any_id(store: OrderStore) -> None:
    store.add(ORDERS)
    for order, following in pairwise(SORTED):
        assert list(store.page(1, after=order.id)) == [following]


def test_a_page_can_end_before_any_id(store: OrderStore) -> None:
    store.add(ORDERS)
    for previous, order in pairwise(SORTED):
        assert list(store.page(1, before=order.id)) == [previous]


def test_characters_beyond_the_basic_plane_come_after_all_of_it(store: OrderStore) -> None:
    # In UTF-16 they would come before U+E000, as surrogates.
    texts = ["\ud7ff", "\ue000", "\uf8ff", "\uffff", "\U00010000", "\U0001f600", "\U0010ffff"]
    store.add([Order(text, 1) for text in reversed(texts)])
    assert [order.id.value for order in store.page(10)] == texts


def test_ids_are_not_sorted_by_the_rules_of_a_language(store: OrderStore) -> None:
    texts = ["-b", "1", "10", "2", "B", "_a", "a", "aB", "a b"]
    store.add([Order(text, 1) for text in texts])
    assert [order.id.value for order in store.page(10)] == sorted(texts)


def test_an_id_sorts_before_longer_ids_that_begin_with_it(store: OrderStore) -> None:
    texts = ["a", "a!", "aa", "aaa", "ab", "a\U0010ffff"]
    store.add([Order(text, 1) for text in reversed(texts)])
    assert [order.id.value for order in store.page(10)] == texts


def test_ids_that_differ_only_in_case_are_distinct(store: OrderStore) -> None:
    assert list(store.add([Order("a", 1), Order("A", 2)])) == [Outcome.CREATED] * 2


def test_ids_that_look_alike_are_not_normalised(store: OrderStore) -> None:
    texts = ["\u00e9", "e\u0301", "\u212b", "\u00c5", "A\u030a", "\ufb01", "fi"]
    orders = [Order(text, number) for number, text in enumerate(texts)]
    assert list(store.add(orders)) == [Outcome.CREATED] * len(orders)
    assert list(store.get([order.id for order in orders])) == orders


def test_ids_that_look_like_the_same_number_are_distinct(store: OrderStore) -> None:
    orders = [Order(text, n) for n, text in enumerate(["1", "01", "1.0", "1e0", "+1", "\u0661"])]
    assert list(store.add(orders)) == [Outcome.CREATED] * len(orders)


def test_invisible_characters_inside_an_id_count(store: OrderStore) -> None:
    orders = [Order(text, n) for n, text in enumerate(["ab", "a\u200bb", "a\ufeffb", "a\u3164b"])]
    assert list(store.add(orders)) == [Outcome.CREATED] * len(orders)
    assert list(store.get([order.id for order in orders])) == orders


# Earlier releases accepted them.
EARLIER = ["A-1\u200b", "\u202aA-1\u202c", "\ufeffA-1"]


def test_an_order_of_an_earlier_release_with_an_invisible_edge_is_read_unchanged(
    store: OrderStore,
) -> None:
    assert store.load([(text, "5.00") for text in EARLIER])
    orders = [Order(OrderId.of_stored(text), 5) for text in sorted(EARLIER)]
    assert list(store.page(10)) == orders
    assert list(store.get([order.id for order in orders])) == orders
    assert [order for batch in scan(store, 1) for order in batch] == orders
    lines = b"".join(scan_json(store, 1))
    assert [json.loads(line)["id"] for line in lines.splitlines()] == sorted(EARLIER)
    assert list(store.add(orders)) == [Outcome.REPLAYED] * len(orders)


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "a\x00", "\ud800", "a\udfffb", "\ud83d\ude00"])
def test_nul_and_surrogates_are_refused_before_they_reach_a_store(
    store: OrderStore,
    text: str,
) -> None:
    store.add([Order("a", 1)])
    refusal = r"^id contains the (control character|lone surrogate) U"
    with pytest.raises(InvalidOrder, match=refusal):
        store.add([Order("b", 1), Order(text, 1)])
    with pytest.raises(InvalidOrder):
        store.get([OrderId(text)])
    with pytest.raises(InvalidOrder):
        store.page(1, after=OrderId(text))
    assert list(store.page(10)) == [Order("a", 1)]
