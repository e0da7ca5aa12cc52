"""Ids and orders against what Unicode says of their characters."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from orders_core import MAX_ID_LENGTH, Amount, InvalidOrder, Order, OrderId, Outcome, judge
from tests.strategies import amounts, id_texts, order_ids, orders

ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.binary(),
    st.text(),
    st.lists(st.text()),
)


def may_be_an_id(text: str) -> bool:
    return (
        1 <= len(text) <= MAX_ID_LENGTH
        and not {unicodedata.category(each) for each in text} & {"Cc", "Cs"}
        and text.strip() == text
        and text not in {".", ".."}
    )


def is_accepted(text: str) -> bool:
    try:
        return OrderId(text).value == text
    except InvalidOrder:
        return False


@given(st.text(st.characters(), max_size=140))
def test_a_text_is_accepted_exactly_when_the_rules_allow_it(text: str) -> None:
    assert is_accepted(text) == may_be_an_id(text)


@given(id_texts(), st.characters(categories=["Cc", "Cs"]), st.integers(0, MAX_ID_LENGTH))
def test_an_unusable_character_anywhere_makes_an_id_unacceptable(
    text: str,
    unusable: str,
    position: int,
) -> None:
    assert not is_accepted(text[:position] + unusable + text[position:])


@given(order_ids(), order_ids())
def test_ids_sort_like_their_utf_8_bytes(one: OrderId, other: OrderId) -> None:
    assert (one < other) == (one.value.encode() < other.value.encode())


@given(st.one_of(ANYTHING, id_texts()), ANYTHING)
def test_untrusted_values_make_an_order_or_an_error_that_names_the_mistakes(
    order_id: object,
    amount: object,
) -> None:
    try:
        order = Order.parse(order_id, amount)
    except InvalidOrder as error:
        fields = [violation.field for violation in error.violations]
        assert fields in (["id"], ["amount"], ["id", "amount"])
    else:
        assert order.id.value == order_id


@given(id_texts(), amounts())
def test_an_order_survives_being_written_and_parsed(order_id: str, amount: Amount) -> None:
    order = Order.parse(order_id, str(amount))
    assert (order.id.value, order.amount) == (order_id, amount)


SOME_IDS = st.sampled_from([OrderId(each) for each in "abc"])


@given(st.lists(orders(SOME_IDS)), st.dictionaries(SOME_IDS, amounts()))
def test_a_batch_is_judged_like_its_orders_one_by_one(
    batch: list[Order],
    stored: dict[OrderId, Amount],
) -> None:
    growing = dict(stored)
    outcomes: list[Outcome] = []
    for order in batch:
        (outcome,) = judge([order], growing)
        if outcome is Outcome.CREATED:
            growing[order.id] = order.amount
        outcomes.append(outcome)
    assert list(judge(batch, stored)) == outcomes


@given(st.lists(orders()))
def test_a_batch_judged_after_itself_creates_nothing(batch: list[Order]) -> None:
    stored = {order.id: order.amount for order in reversed(batch)}
    assert Outcome.CREATED not in judge(batch, stored)
