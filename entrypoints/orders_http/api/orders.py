"""The resource `/orders`: place one or many, look up, list."""

import base64
import binascii
import io
import json
import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from attrs import frozen

from orders_core import (
    MAX_PAGE,
    AddOrders,
    GetOrders,
    InvalidOrder,
    JsonPage,
    Order,
    OrderConflict,
    OrderId,
    OrderNotFound,
    OrderStore,
    Outcome,
    PageQuery,
    ReadPages,
    order_to_json,
    place_all,
)
from orders_core.characters import quoted
from orders_http.api.exchange import Steps, Work
from orders_http.api.messages import KIB, Reply, Request, with_entity_tag
from orders_http.api.negotiation import choose
from orders_http.api.problems import Problem, ProblemType
from orders_records import (
    CSV_HEADER,
    Batch,
    BatchBuilder,
    MalformedRecord,
    MediaType,
    WrongFormat,
    csv_of_json_lines,
    order_from_json,
    read_batches,
)

MAX_JSON_BYTES: Final = 64 * KIB
MAX_BULK_BYTES: Final = 1024 * KIB
MAX_BULK_ROWS: Final = 1_000
SHORT_LIST: Final = 500
"""Orders that a list may have and still be read while batches wait."""

_LIMIT: Final = re.compile(r"[0-9]{1,5}")
_REVALIDATE: Final = ("Cache-Control", "no-cache")


@frozen
class OrdersResource:
    """Handlers of `/orders` and `/orders/{id}`.

    Attributes:
        store: Where the orders are kept.
    """

    store: OrderStore

    def add(self, request: Request) -> Steps:
        """Place one order (JSON) or up to 1,000 (NDJSON, CSV), all or none."""
        choose(request.header("Accept"), [MediaType.JSON])
        named = request.media_type()
        try:
            media_type = MediaType(named)
        except ValueError:
            accepted = ", ".join(each.value for each in MediaType)
            raise Problem(
                ProblemType.UNSUPPORTED_MEDIA_TYPE,
                f"Content-Type is {named or 'missing'}; it must be one of {accepted}",
                headers=(("Accept-Post", accepted),),
            ) from None
        request.query(())
        if media_type is MediaType.JSON:
            return self._add_one(request)
        return self._add_bulk(request, media_type)

    def _add_one(self, request: Request) -> Steps:
        try:
            order = order_from_json(request.body(MAX_JSON_BYTES))
        except MalformedRecord as error:
            raise Problem(ProblemType.MALFORMED_BODY, str(error)) from None
        except InvalidOrder as error:
            raise Problem(ProblemType.INVALID_ORDER, str(error), _violations(error)) from None
        outcome: Outcome = yield AddOrders([order])
        if outcome is Outcome.CONFLICT:
            conflict = OrderConflict((0,), (order.id.value,))
            raise Problem(ProblemType.ORDER_CONFLICT, str(conflict))
        if outcome is Outcome.REPLAYED:
            replayed = _order_reply(HTTPStatus.OK, order, ("Idempotent-Replayed", "true"))
            return with_entity_tag(replayed)
        location = f"{request.root}/orders/{quote(order.id.value, safe='')}"
        return with_entity_tag(_order_reply(HTTPStatus.CREATED, order, ("Location", location)))

    def _add_bulk(self, request: Request, media_type: MediaType) -> Steps:
        content = request.body(MAX_BULK_BYTES)
        reply: Reply = yield Work(lambda: self._added(content, media_type), "write")
        return reply

    def _added(self, content: bytes, media_type: MediaType) -> Reply:
        read = _read_many(content, media_type)
        orders = [Order(*row) for row in read.rows]
        if not orders:
            raise Problem(ProblemType.MALFORMED_BODY, "the body holds no order")
        try:
            outcomes = place_all(self.store, orders)
        except OrderConflict as error:
            where = "is stored, or stands on an earlier line, with another amount"
            wrong = [
                _error(read.numbers[position], f"order {quoted(order_id)} {where}")
                for position, order_id in zip(error.positions, error.ids, strict=True)
            ]
            raise _lines_problem(ProblemType.ORDER_CONFLICT, wrong) from None
        counts = {
            outcome.value: outcomes.count(outcome)
            for outcome in (Outcome.CREATED, Outcome.REPLAYED)
        }
        return Reply(HTTPStatus.OK, json.dumps(counts).encode(), MediaType.JSON.value)

    def get(self, request: Request, id: str) -> Steps:  # noqa: A002 - the path's own name
        """Look up one order by the path."""
        request.query(())
        return self._found(request, id)

    def get_list(self, request: Request) -> Steps:
        """Look up one order by the query's `id`, or list orders by id."""
        query = request.query(("after", "id", "limit"))
        if "id" in query:
            if len(query) > 1:
                raise Problem(ProblemType.INVALID_QUERY, "id goes without other parameters")
            return self._found(request, query["id"])
        limit = _limit(query.get("limit"))
        after = None if "after" not in query else id_of_cursor(query["after"])
        media_type = choose(request.header("Accept"), list(MediaType))
        return self._list(request, limit, after, media_type)

    def _list(
        self,
        request: Request,
        limit: int,
        after: OrderId | None,
        media_type: MediaType,
    ) -> Steps:
        query = JsonPage.query(limit, after)
        if limit <= SHORT_LIST and media_type is not MediaType.CSV:
            lines: bytes = yield ReadPages([query])
            reply = _listed(request.root, query, lines, media_type)
        else:
            reply = yield Work(lambda: self._read(request.root, query, media_type))
        return request.answered_conditionally(reply)

    def _read(self, root: str, query: PageQuery, media_type: MediaType) -> Reply:
        (lines,) = self.store.pages_json([query])
        return _listed(root, query, lines, media_type)

    def _found(self, request: Request, text: str) -> Steps:
        choose(request.header("Accept"), [MediaType.JSON])
        try:
            order_id = OrderId.of_stored(text)
        except InvalidOrder as error:
            raise Problem(
                ProblemType.ORDER_NOT_FOUND, f"no order can have such an id: {error}"
            ) from None
        order: Order | None = yield GetOrders([order_id])
        if order is None:
            raise Problem(ProblemType.ORDER_NOT_FOUND, str(OrderNotFound(text)))
        return request.answered_conditionally(_order_reply(HTTPStatus.OK, order, _REVALIDATE))


def _listed(root: str, query: PageQuery, lines: bytes, media_type: MediaType) -> Reply:
    found = JsonPage.of(query, lines)
    content_type = media_type.value
    if media_type is MediaType.JSON:
        body = found.array
    elif media_type is MediaType.NDJSON:
        body = found.lines
    else:
        body = f"{CSV_HEADER}\r\n".encode() + csv_of_json_lines(found.lines)
        content_type += "; charset=utf-8; header=present"
    headers = [_REVALIDATE, ("Vary", "Accept")]
    if found.has_next:
        limit = query.limit - 1
        following = f"{root}/orders?after={cursor_of_id(found.last)}&limit={limit}"
        headers.append(("Link", f'<{following}>; rel="next"'))
    return Reply(HTTPStatus.OK, body, content_type, tuple(headers))


def cursor_of_id(order_id: OrderId) -> str:
    """Make the opaque cursor that stands for a place in the list."""
    return base64.urlsafe_b64encode(order_id.value.encode()).decode().rstrip("=")


def id_of_cursor(cursor: str) -> OrderId:
    """Read a cursor that `cursor_of_id` made.

    Raises:
        Problem: 400 when it did not.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        decoded = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
        order_id = OrderId.of_stored(decoded)
    except (binascii.Error, ValueError):
        order_id = None
    if order_id is None or cursor_of_id(order_id) != cursor:
        raise Problem(
            ProblemType.INVALID_QUERY,
            "after is no cursor of this list; take it from the Link header",
        )
    return order_id


def _limit(text: str | None) -> int:
    if text is None:
        return MAX_PAGE
    if not _LIMIT.fullmatch(text) or not 1 <= int(text) <= MAX_PAGE:
        raise Problem(
            ProblemType.INVALID_QUERY,
            f"limit must be a whole number from 1 to {MAX_PAGE}",
        )
    return int(text)


def _order_reply(status: HTTPStatus, order: Order, *headers: tuple[str, str]) -> Reply:
    return Reply(status, order_to_json(order), MediaType.JSON.value, headers)


def _violations(error: InvalidOrder) -> tuple[dict[str, Any], ...]:
    return tuple({"member": each.field, "detail": str(each)} for each in error.violations)


def _read_many(content: bytes, media_type: MediaType) -> Batch:
    """Read the orders of a body.

    Raises:
        Problem: It is too large, or something in it is wrong: all of that is named.
    """
    read = BatchBuilder()
    try:
        # A body has come as long as it was announced, or to its last chunk.
        for batch in read_batches(io.BytesIO(content), media_type, whole=True, size=64 * KIB):
            read.add_batch(batch)
            if read.records > MAX_BULK_ROWS:
                raise Problem(
                    ProblemType.BODY_TOO_LARGE,
                    f"the body has more than the {MAX_BULK_ROWS} orders that are taken at once; "
                    "blank lines count as well",
                )
    except WrongFormat as error:
        raise _lines_problem(ProblemType.MALFORMED_BODY, [_error(1, str(error))]) from None
    if read.refusals:
        malformed = any(isinstance(each.problem, MalformedRecord) for each in read.refusals)
        raise _lines_problem(
            ProblemType.MALFORMED_BODY if malformed else ProblemType.INVALID_ORDER,
            [_error(each.first_line, str(each.problem), each.last_line) for each in read.refusals],
        )
    return read.batch()


def _error(line: int, detail: str, last_line: int | None = None) -> dict[str, Any]:
    """Describe what is wrong with a record; only one of several lines has a last one."""
    if last_line is None or last_line == line:
        return {"line": line, "detail": detail}
    return {"line": line, "last_line": last_line, "detail": detail}


def _lines_problem(problem_type: ProblemType, wrong: Sequence[dict[str, Any]]) -> Problem:
    first = wrong[0]
    place = f"line {first['line']}"
    if "last_line" in first:
        place = f"lines {first['line']} to {first['last_line']}"
    more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    detail = f"nothing was stored: {place}: {first['detail']}{more}"
    return Problem(problem_type, detail, tuple(wrong))
