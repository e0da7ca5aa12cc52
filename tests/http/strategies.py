"""What the tests of the HTTP interface draw from, beyond `tests.strategies`."""

from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from orders_core import Order, OrderId
from tests.strategies import amounts, has_usable_edges, id_texts

# Characters with a meaning in paths, queries, CSV, JSON and logs.
_PIECES: Final = (
    *("/", "//", "/../", ".", "..", "%", "%2F", "%00", "%FF", "+", "&", "=", "?", "#", ";", ":"),
    *(",", '"', '""', "'", "\\", "\\u0000", "<b>", "=1+1", "@", " ", "\u2028", "\ufeff", "\u202e"),
    *("é", "e\u0301", "🧾", "\U0010ffff", "NaN", "null", "id,amount", "a", "B", "0"),
)


def awkward_id_texts() -> SearchStrategy[str]:
    """Ids, most of which a careless layer would change."""
    awkward = st.lists(st.sampled_from(_PIECES), min_size=1, max_size=12).map("".join)
    usable = awkward.map(str.strip).filter(lambda text: text not in {"", ".", ".."})
    usable = usable.filter(has_usable_edges)
    return usable | id_texts()


def awkward_orders() -> SearchStrategy[Order]:
    """Orders with such ids."""
    return st.builds(Order, awkward_id_texts().map(OrderId), amounts())
