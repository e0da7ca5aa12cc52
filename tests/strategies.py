"""What property tests draw orders from."""

from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from orders_core import MAX_CENTS, MAX_ID_LENGTH, Amount, Order, OrderId

USABLE_CHARACTERS: Final = st.characters(exclude_categories=["Cc", "Cs"])


def id_texts() -> SearchStrategy[str]:
    """Every text that an id may be."""
    texts = st.text(USABLE_CHARACTERS, min_size=1, max_size=MAX_ID_LENGTH)
    return texts.filter(lambda text: text == text.strip() and text not in {".", ".."})


def order_ids() -> SearchStrategy[OrderId]:
    """Every id."""
    return id_texts().map(OrderId)


def amounts() -> SearchStrategy[Amount]:
    """Every amount."""
    return st.integers(0, MAX_CENTS).map(Amount.from_cents)


def orders(ids: SearchStrategy[OrderId] | None = None) -> SearchStrategy[Order]:
    """Every order, or every order that has one of the ids."""
    return st.builds(Order, order_ids() if ids is None else ids, amounts())
