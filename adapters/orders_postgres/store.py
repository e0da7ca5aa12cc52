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
from orders_postgres.connect import connect
from orders_postgres.connection import Connection
from orders_postgres.errors import Duplicate, Interrupted
from orders_postgres.pending import PendingStatements, Statements, begin_statements, run
from orders_postgres.pool import (
    DEFAULT_ACQUIRE_SECONDS,
    DEFAULT_MAX_AGE_SECONDS,
    DEFAULT_SIZE,
    Pool,
)
from orders_postgres.schema import require_schema, require_utf8
from orders_postgres.session import Row
from orders_postgres.settings import SERVICE_LIMITS, Limits
from orders_postgres.sql import array
from orders_postgres.url import DatabaseUrl
from orders_postgres.writable import require_writable

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
# json_lines, in SQL, for many pages at once. The subquery's order is that of what is aggregated
# (PostgreSQL, "Aggregate Functions"), and to_json escapes what Python's json does in a text of any
# id. No id is empty, so that all are behind the empty one.
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
# Of more, sending them alone might have to wait.
_PROMPTLY: Final = 256
_PROMPT_LENGTH: Final = 16 * 1024  # characters of ids
# Every statement is one that goes by the index, so that a plan is right for any values and for a
# table of any size. PostgreSQL would plan a page anew each time, or may keep to a plan that it
# made when the table was empty. And in a large table it would compile each page to machine code,
# which takes longer than the page.
_PLANS: Final = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "jit": "off"}

_Result = TypeVar("_Result")


class PostgresStore:
    """An `OrderStore` in a PostgreSQL database. Safe to share by threads.

    Each commit is flushed to the disk before it is reported. Work whose connection is lost is
    done once more on another one; every statement is such that doing it twice is doing it once.
    While no connection can be opened, most calls fail at once; see `Breaker`.
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
        """Take the database's URL; nothing is opened yet.

        Args:
            url: The database, as a role that may SELECT and INSERT.
            connections: Connections at most, hence calls that run at once.
            acquire_seconds: How long a call waits for a connection.
            max_age_seconds: How long a connection is used at most, so that new certificates
                and passwords come into use.
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
        # In one order for all writers, as in `add`. Of what the format escapes ("COPY", "Text
        # Format") an id may hold the backslash alone.
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
        """Read, write and commit something that is no order; see `OrderStore.check`."""
        self._run(self._check, max_age_seconds=self._limits.check_age)

    def renew(self) -> None:
        """Connect anew from now on, and read the files that this takes; see `OrderStore.renew`."""
        self._pool.renew()

    @property
    def breaker_open(self) -> bool:
        """Whether no connection is tried now, since the last ones failed; see `Breaker`."""
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
        # `_connect` has just checked the schema of a new one.
        if not connection.is_new:
            require_schema(connection, self._url.address)
        require_writable(connection, self._url.address)

    def _run(
        self,
        work: Callable[[Connection], _Result],
        *,
        max_age_seconds: float = inf,
    ) -> _Result:
        """Do the work; when it is interrupted, do it once more, from its start."""
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
        """Insert what is not there, then compare what was.

        A statement of its own compares: it sees what others committed while the first one
        waited for them.
        """
        firsts: dict[str, Order] = {}
        for order in orders:
            firsts.setdefault(order.id.value, order)
        # In one order for all writers, so that none waits for another in a circle.
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
    """Tell whether a call can be sent at once, without waiting for the server to read."""
    if isinstance(call, ReadPages):
        return True
    ids = [each.id if isinstance(each, Order) else each for each in call.items]
    return len(ids) <= _PROMPTLY and sum(len(each.value) for each in ids) <= _PROMPT_LENGTH


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
