"""Orders: an id and an exact amount, stored once and never changed.

This package is the library. It does no input or output and depends only on attrs. Make an
`Order`, and pass it with any `OrderStore` to a use case:

    >>> from orders_core import Order, place
    >>> from orders_memory import MemoryStore
    >>> store = MemoryStore()
    >>> place(store, Order("A-1", "12.30"))
    <Outcome.CREATED: 'created'>
    >>> place(store, Order("A-1", "12.3"))
    <Outcome.REPLAYED: 'replayed'>
"""

from orders_core.amount import MAX_AMOUNT_LENGTH, MAX_CENTS, Amount, decimal_of_cents
from orders_core.errors import (
    InvalidOrder,
    InvalidPage,
    OrderConflict,
    OrderNotFound,
    OrdersError,
    Reason,
    StoreUnavailable,
    Violation,
)
from orders_core.order import FIELD_NAMES, FIELDS, Field, Order, OrderRow, json_lines, order_to_json
from orders_core.order_id import MAX_ID_LENGTH, OrderId
from orders_core.outcome import Outcome, judge
from orders_core.ports import (
    AddOrders,
    Call,
    GetOrders,
    OrderStore,
    PageQuery,
    Pending,
    ReadPages,
    Totals,
)
from orders_core.use_cases import (
    MAX_PAGE,
    JsonPage,
    Page,
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

__all__ = [
    "FIELDS",
    "FIELD_NAMES",
    "MAX_AMOUNT_LENGTH",
    "MAX_CENTS",
    "MAX_ID_LENGTH",
    "MAX_PAGE",
    "AddOrders",
    "Amount",
    "Call",
    "Field",
    "GetOrders",
    "InvalidOrder",
    "InvalidPage",
    "JsonPage",
    "Order",
    "OrderConflict",
    "OrderId",
    "OrderNotFound",
    "OrderRow",
    "OrderStore",
    "OrdersError",
    "Outcome",
    "Page",
    "PageQuery",
    "Pending",
    "ReadPages",
    "Reason",
    "StoreUnavailable",
    "Totals",
    "Violation",
    "decimal_of_cents",
    "find",
    "json_lines",
    "judge",
    "order_to_json",
    "page",
    "page_json",
    "place",
    "place_all",
    "place_each",
    "scan",
    "scan_json",
    "totals",
]
