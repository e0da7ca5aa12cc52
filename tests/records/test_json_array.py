"""Orders in one JSON array, as `GET /orders` answers it."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orders_core import Order
from orders_records import MediaType
from tests.http.strategies import awkward_orders
from tests.records.reading import Found, read_alike

ONE = '{"id":"A-1","amount":1}'
TWO = '{"id":"A-2","amount":2}'


def read(text: str) -> Found:
    return read_alike(text.encode(errors="surrogatepass"), MediaType.JSON, whole=False)


@settings(max_examples=50)
@given(
    st.lists(awkward_orders(), max_size=5),
    st.sampled_from([None, 0, 2, "\t"]),
    st.booleans(),
    st.booleans(),
)
def test_an_array_may_have_any_white_space_and_escapes(
    orders: list[Order],
    indent: int | str | None,
    ascii_only: bool,  # noqa: FBT001 - drawn
    as_text: bool,  # noqa: FBT001 - drawn
) -> None:
    items = [{"id": each.id.value, "amount": f"<{each.amount}>"} for each in orders]
    text = json.dumps(items, indent=indent, ensure_ascii=ascii_only)
    if not as_text:
        # json.dumps would convert the numbers to doubles.
        for each in orders:
            text = text.replace(f'"<{each.amount}>"', str(each.amount))
    text = text.replace("<", "").replace(">", "") if as_text else text
    kept = [each for each in orders if not as_text or not set("<>") & set(each.id.value)]
    if len(kept) == len(orders):
        found = read(text)
        assert (found.in_order, found.refused) == (orders, [])


@pytest.mark.parametrize("amount", ["9999999999999.99", "0.07", "1230e-2", '"12.30"', "0.1"])
def test_an_amount_keeps_its_exact_text(amount: str) -> None:
    (order,) = read(f'[{{"id":"A","amount":{amount}}}]').in_order
    assert order == Order("A", amount.strip('"'))


@pytest.mark.parametrize("text", ["[]", " [ ] \n", "\ufeff[]", "\n\n[\n]\n"])
def test_an_empty_array_has_no_orders(text: str) -> None:
    assert read(text) == Found()


def test_an_item_that_is_not_an_order_is_refused_with_its_lines_and_the_next_ones_are_read() -> (
    None
):
    wrong = ["1", "null", '"A"', "[]", "{}", '{"id":"A"}', '{"id":"A","amount":1.005}']
    wrong += ['{"id":"A","amount":1,"x":[{"id":"B","amount":1}]}', '{"id":"],{","amount":"}"}']
    found = read("[\n" + ",\n".join([ONE, *wrong, TWO]) + "\n]")
    assert found.orders == {2: Order("A-1", 1), 3 + len(wrong): Order("A-2", 2)}
    assert found.places == [f"line {3 + each}" for each in range(len(wrong))]
    assert [problem.partition(":")[0] for _, problem in found.refused] == [
        f"item {2 + each} of the array" for each in range(len(wrong))
    ]


def test_a_refused_item_on_several_lines_is_reported_by_its_first_and_last() -> None:
    found = read('[\n  {\n    "id": "A-1"\n  },\n  {\n    "id": "A-2",\n    "amount": 2\n  }\n]')
    assert found.places == ["lines 2 to 4"]
    assert found.orders == {5: Order("A-2", 2)}


@pytest.mark.parametrize(
    "wrong",
    [
        *('{"id":"A" "amount":1}', "{'id':'A'}", "{", "}", "", "1 2", '{"id":"A","id":"B"}'),
        *('{"id":"A]', "NaN", '{"id":"A"],', '{"x":' * 5 + "1" + "}" * 5, '"\\', "\udc80"),
        *('{"id":"A","amount":' + " " * 9_000 + "1}", '"' + "x" * 9_000 + '"', "01"),
    ],
)
def test_a_syntax_error_ends_the_reading(wrong: str) -> None:
    found = read(f'[{ONE},\n{wrong},{TWO},{{"id":"B-9","amount":7}}]')
    assert found.in_order == [Order("A-1", 1)]
    assert len(found.refused) == 1
    assert found.places == ["line 2"]


def test_a_comma_after_the_last_item_is_a_syntax_error() -> None:
    found = read(f"[{ONE},]")
    assert found.in_order == [Order("A-1", 1)]
    assert "item 2 of the array: not acceptable JSON" in found.refused[0][1]


def test_whole_items_are_read_wherever_an_array_is_cut_off() -> None:
    text = f" [\n{ONE},\n {TWO} \n] \n"
    for cut in range(text.index("[") + 1, text.index("]")):
        found = read(text[:cut])
        complete = [
            order
            for item, order in ((ONE, Order("A-1", 1)), (TWO, Order("A-2", 2)))
            if item in text[:cut]
        ]
        assert found.in_order == complete
        ((_, problem),) = found.refused
        assert problem == "possibly cut off: the array is not closed by ]"


@pytest.mark.parametrize("rest", ["x", "]", ",", f"[{ONE}]", f"\n{ONE}"])
def test_content_after_the_array_is_refused(rest: str) -> None:
    found = read(f"[{ONE}] \n{rest}")
    assert found.in_order == [Order("A-1", 1)]
    ((_, problem),) = found.refused
    assert "follows the array" in problem
    assert "follows the array" in read(f"[]{rest}").refused[0][1]


@pytest.mark.parametrize("text", ["", " \n", ONE, "id,amount\n", "null"])
def test_content_that_is_not_an_array_is_refused_whole(text: str) -> None:
    found = read(text)
    assert found.wrong is not None
    assert found.wrong.startswith("a JSON array begins with [; found ")
