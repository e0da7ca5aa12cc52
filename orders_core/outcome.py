"""The outcome of adding an order, and the rule that decides it."""

from collections.abc import Mapping, Sequence
from enum import Enum

from orders_core.amount import Amount
from orders_core.order import Order
from orders_core.order_id import OrderId


class Outcome(Enum):
    """The outcome of adding an order. The values are stable: answers carry them."""

    CREATED = "created"
    """The order is stored now and was not before."""
    REPLAYED = "replayed"
    """An order with the same id and amount was stored already."""
    CONFLICT = "conflict"
    """The id is stored with another amount; this order is not stored."""


def judge(orders: Sequence[Order], stored: Mapping[OrderId, Amount]) -> tuple[Outcome, ...]:
    """Decide the outcome of each order of a batch.

    Orders are judged in the order given: of two with the same id, the first counts as stored
    when the second is judged.

    Args:
        orders: The batch.
        stored: By id, the amounts of its orders that were stored before.
    """
    amounts = dict(stored)
    outcomes = []
    for order in orders:
        amount = amounts.get(order.id)
        if amount is None:
            amounts[order.id] = order.amount
            outcomes.append(Outcome.CREATED)
        else:
            same = amount == order.amount
            outcomes.append(Outcome.REPLAYED if same else Outcome.CONFLICT)
    return tuple(outcomes)
