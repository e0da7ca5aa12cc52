"""What property tests draw orders from."""

import re
from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from orders_core import MAX_CENTS, MAX_ID_LENGTH, Amount, Order, OrderId
from orders_core.characters import EDGE_CLASS

_AT_AN_EDGE: Final = re.compile(f"[{EDGE_CLASS}]")
USABLE_CHARACTERS: Final = st.characters(exclude_categories=["Cc", "Cs"])


def id_texts() -> SearchStrategy[str]:
    """Every text that an id may be."""
    texts = st.text(USABLE_CHARACTERS, min_size=1, max_size=MAX_ID_LENGTH)
    return texts.filter(has_usable_edges).filter(lambda text: text not in {".", ".."})


def has_usable_edges(text: str) -> bool:
    """Tell whether an id may begin and end as this text does."""
    return not any(map(_AT_AN_EDGE.match, (text[:1], text[-1:])))


def order_ids() -> SearchStrategy[OrderId]:
    """Every id."""
    return id_texts().map(OrderId)


def amounts() -> SearchStrategy[Amount]:
    """Every amount."""
    return st.integers(0, MAX_CENTS).map(Amount.from_cents)


def orders(ids: SearchStrategy[OrderId] | None = None) -> SearchStrategy[Order]:
    """Every order, or every order that has one of the ids."""
    return st.builds(Order, order_ids() if ids is None else ids, amounts())
