"""Orders in PostgreSQL."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from math import inf
from typing import Any, Final, TypeVar

from orders_core import (
    AddOrders,
    Amount,
    Call,
    GetOrders,
    Order,
    OrderId,
    OrderRow,
    Outcome,
    PageQuery,
    ReadPages,
    Reason,
    StoreUnavailable,
    Totals,
    judge,
)
from orders_postgres.connection import Connection
from orders_postgres.errors import Duplicate, Interrupted
from orders_postgres.open_connection import connect
from orders_postgres.pending import PendingStatements, Statements, begin_statements, run
from orders_postgres.pool import (
    DEFAULT_ACQUIRE_SECONDS,
    DEFAULT_MAX_AGE_SECONDS,
    DEFAULT_SIZE,
    Pool,
)
from orders_postgres.schema import require_schema, require_utf8
from orders_postgres.session import Row
from orders_postgres.session_settings import SERVICE_LIMITS, Limits
from orders_postgres.sql import array
from orders_postgres.url import DatabaseUrl
from orders_postgres.write_check import require_writable

_INSERT: Final = """
INSERT INTO orders (id, amount)
SELECT * FROM unnest($1::text[], $2::numeric[])
ON CONFLICT (id) DO NOTHING
RETURNING id
"""
_COPY: Final = "COPY orders (id, amount) FROM STDIN"
_GET: Final = "SELECT id, amount FROM orders WHERE id = ANY ($1::text[])"
_PAGE: Final = "SELECT id, amount FROM orders ORDER BY id LIMIT $1"
_PAGE_AFTER: Final = "SELECT id, amount FROM orders WHERE id > $1 ORDER BY id LIMIT $2"
# json_lines, in SQL, for many pages at once. string_agg keeps the order of the subquery
# (PostgreSQL, "Aggregate Functions"). In an id, to_json escapes the same characters as Python's
# json. No id is empty, so all of them sort after the empty text.
_PAGES_JSON: Final = r"""
SELECT (
    SELECT string_agg('{"id":' || to_json(id) || ',"amount":' || amount || E'}\n', '')
    FROM (SELECT id, amount FROM orders WHERE id > query.after ORDER BY id LIMIT query.most) AS page
)
FROM unnest($1::text[], $2::integer[]) WITH ORDINALITY AS query (after, most, number)
ORDER BY number
"""
_PAGE_BEFORE: Final = "SELECT id, amount FROM orders WHERE id < $1 ORDER BY id DESC LIMIT $2"
# Kept by triggers; see migrations/0002_totals.sql.
_TOTALS: Final = "SELECT sum(count)::bigint, sum(amount) FROM orders_totals"
# Above these limits, sending alone might block.
_MAX_PROMPT_IDS: Final = 256
_MAX_PROMPT_LENGTH: Final = 16 * 1024
# Every statement uses the index, so one plan is right for all values and any size of the table.
# Otherwise PostgreSQL might plan each page again, or keep a plan that it made when the table was
# empty. In a large table it would also compile each page to machine code, which takes longer than
# the page itself.
_PLANS: Final = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "jit": "off"}

_Result = TypeVar("_Result")


class PostgresStore:
    """An `OrderStore` in a PostgreSQL database. Thread-safe.

    Each commit is flushed to the disk before it is reported. If a connection is lost, the work is
    repeated on another: once, or twice for a call that the server had begun. Every statement is
    idempotent. While no connection can be opened, most calls fail immediately; see `Breaker`.
    """

    def __init__(
        self,
        url: DatabaseUrl,
        *,
        connections: int = DEFAULT_SIZE,
        acquire_seconds: float = DEFAULT_ACQUIRE_SECONDS,
        max_age_seconds: float = DEFAULT_MAX_AGE_SECONDS,
        limits: Limits = SERVICE_LIMITS,
    ) -> None:
        """Prepare the store; no connection is opened yet.

        Args:
            url: The database, as a role that may SELECT and INSERT.
            connections: The maximum number of connections, and so of simultaneous calls.
            acquire_seconds: How long a call waits for a connection.
            max_age_seconds: The maximum age of a connection, so that new certificates and
                passwords come into use.
            limits: How long each step of a call may take.
        """
        self._url = url
        self._limits = limits
        self._pool = Pool(
            self._connect,
            size=connections,
            acquire_seconds=acquire_seconds,
            max_age_seconds=max_age_seconds,
        )

    def begin(self, call: Call) -> PendingStatements | None:
        """Begin a call on an idle connection; see `OrderStore.begin`."""
        return begin_statements(self._pool, self._statements(call)) if _is_short(call) else None

    def add(self, orders: Sequence[Order], *, atomic: bool = False) -> Sequence[Outcome]:
        """Store the orders as one batch; see `OrderStore.add`."""
        if not orders:
            return ()
        if atomic and len(orders) > 1:
            return self._run(lambda connection: self._add_all_or_none(connection, orders))
        return self._results(AddOrders(orders))

    def load(self, rows: Sequence[OrderRow]) -> bool:
        """Store orders that are all new; see `OrderStore.load`."""
        if not rows:
            return True
        # All writers use the same order, as in `add`. The only character in an id that the format
        # escapes ("COPY", "Text Format") is the backslash.
        text = "\n".join(map("\t".join, sorted(rows))).replace("\\", "\\\\").encode()
        try:
            self._run(lambda connection: connection.copy(_COPY, text))
        except Duplicate:
            return False
        return True

    def get(self, ids: Sequence[OrderId]) -> Sequence[Order | None]:
        """Look up orders; see `OrderStore.get`."""
        if not ids:
            return ()
        return self._results(GetOrders(ids))

    def page(
        self,
        limit: int,
        *,
        after: OrderId | None = None,
        before: OrderId | None = None,
    ) -> Sequence[Order]:
        """Read the orders next to an id; see `OrderStore.page`."""
        if before is not None:
            rows = self._rows(_PAGE_BEFORE, before.value, limit)[::-1]
        elif after is not None:
            rows = self._rows(_PAGE_AFTER, after.value, limit)
        else:
            rows = self._rows(_PAGE, limit)
        return [Order(OrderId.of_stored(order_id), amount) for order_id, amount in rows]

    def pages_json(self, queries: Sequence[PageQuery]) -> Sequence[bytes]:
        """Read pages as JSON; see `OrderStore.pages_json`."""
        if not queries:
            return ()
        return self._results(ReadPages(queries))

    def totals(self) -> Totals:
        """Count and sum; see `OrderStore.totals`."""
        ((count, amount),) = self._rows(_TOTALS)
        return Totals(count, Decimal(amount))

    def check(self) -> None:
        """Read, write and commit without adding an order; see `OrderStore.check`."""
        self._run(self._check, max_age_seconds=self._limits.check_age)

    def renew(self) -> None:
        """Replace every connection, and read its files again; see `OrderStore.renew`."""
        self._pool.renew()

    @property
    def breaker_open(self) -> bool:
        """Whether connecting is suspended because the last attempts failed; see `Breaker`."""
        return self._pool.breaker_open

    def close(self) -> None:
        """Close every connection; see `OrderStore.close`."""
        self._pool.close()

    def _connect(self) -> Connection:
        connection = connect(self._url, self._limits, _PLANS)
        try:
            require_utf8(connection, self._url.address)
            require_schema(connection, self._url.address)
            for statement in (_INSERT, _GET, _PAGES_JSON):
                connection.prepare(statement)
        except BaseException:
            connection.close()
            raise
        return connection

    def _check(self, connection: Connection) -> None:
        # For a new connection, `_connect` has just checked the schema.
        if not connection.is_new:
            require_schema(connection, self._url.address)
        require_writable(connection, self._url.address)

    def _run(
        self,
        work: Callable[[Connection], _Result],
        *,
        max_age_seconds: float = inf,
    ) -> _Result:
        """Do the work; if it is interrupted, do it once more from the start."""
        with suppress(Interrupted), self._pool.connection(max_age_seconds) as connection:
            return work(connection)
        with self._pool.connection(max_age_seconds) as connection:
            return work(connection)

    def _results(self, call: Call) -> Sequence[Any]:
        return self._run(lambda connection: run(self._statements(call), connection))

    def _statements(self, call: Call) -> Statements[Any]:
        if isinstance(call, AddOrders):
            return self._adding(call.items)
        if isinstance(call, GetOrders):
            return _getting(call.items)
        return _reading(call.items)

    def _rows(self, statement: str, *values: str | int) -> Sequence[Row]:
        return self._run(lambda connection: connection.run(statement, *values))

    def _adding(self, orders: Sequence[Order]) -> Statements[Outcome]:
        """Insert the new orders, then compare the others.

        The comparison is a separate statement, so that it sees what other writers committed while
        the first statement waited for them.
        """
        firsts: dict[str, Order] = {}
        for order in orders:
            firsts.setdefault(order.id.value, order)
        # All writers use the same order, so that they cannot deadlock.
        ids = sorted(firsts)
        amounts = [str(firsts[each].amount) for each in ids]
        rows = yield _INSERT, (array(ids), array(amounts))
        if len(rows) == len(orders):
            return (Outcome.CREATED,) * len(orders)
        created = {order_id for (order_id,) in rows}
        known = [firsts[each].id for each in ids if each not in created]
        stored = {}
        if known:
            found = yield from _getting(known)
            stored = {order.id: order.amount for order in found if order is not None}
        if len(stored) < len(known):
            message = f"{self._url.address}: orders were neither stored nor found"
            raise StoreUnavailable(Reason.FAILED, message)
        return judge(orders, stored)

    def _add_all_or_none(
        self,
        connection: Connection,
        orders: Sequence[Order],
    ) -> Sequence[Outcome]:
        with connection.transaction():
            outcomes = run(self._adding(orders), connection)
            if Outcome.CONFLICT in outcomes:
                connection.rollback()
        return outcomes


def _is_short(call: Call) -> bool:
    """Return whether a call can be sent without waiting for the server to read."""
    if isinstance(call, ReadPages):
        return True
    ids = [each.id if isinstance(each, Order) else each for each in call.items]
    return (
        len(ids) <= _MAX_PROMPT_IDS and sum(len(each.value) for each in ids) <= _MAX_PROMPT_LENGTH
    )


def _getting(ids: Sequence[OrderId]) -> Statements[Order | None]:
    rows = yield _GET, (array({order_id.value for order_id in ids}),)
    amounts = {text: Amount(amount) for text, amount in rows}
    return [
        Order(order_id, amounts[order_id.value]) if order_id.value in amounts else None
        for order_id in ids
    ]


def _reading(queries: Sequence[PageQuery]) -> Statements[bytes]:
    after = array("" if query.after is None else query.after.value for query in queries)
    rows = yield _PAGES_JSON, (after, array(str(query.limit) for query in queries))
    return [(lines or "").encode() for (lines,) in rows]
