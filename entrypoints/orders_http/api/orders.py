"""The resource `/orders`: store one order or many, look one up, list."""

import json
import re
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
from orders_http.api.bulk import MAX_BULK_BYTES, bulk_conflict, read_bulk
from orders_http.api.cursors import cursor_of_id, id_of_cursor
from orders_http.api.exchange import ReplyCoroutine, Work
from orders_http.api.http_messages import KIB, Reply, Request, with_entity_tag
from orders_http.api.negotiation import choose
from orders_http.api.problems import Problem, ProblemType
from orders_records import (
    CSV_HEADER,
    MalformedRecord,
    MediaType,
    csv_of_json_lines,
    order_from_json,
)

MAX_JSON_BYTES: Final = 64 * KIB
SHORT_LIST: Final = 500
"""Maximum length of a list that is read together with those of other requests."""

_LIMIT: Final = re.compile(r"[0-9]{1,5}")
_REVALIDATE: Final = ("Cache-Control", "no-cache")


@frozen
class OrdersResource:
    """Handlers of `/orders` and `/orders/{id}`.

    Attributes:
        store: The store of the orders.
    """

    store: OrderStore

    def add(self, request: Request) -> ReplyCoroutine:
        """Store one order (JSON) or up to 1,000 (NDJSON, CSV), all or none."""
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

    def _add_one(self, request: Request) -> ReplyCoroutine:
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

    def _add_bulk(self, request: Request, media_type: MediaType) -> ReplyCoroutine:
        content = request.body(MAX_BULK_BYTES)
        reply: Reply = yield Work(lambda: self._add_all(content, media_type), "write")
        return reply

    def _add_all(self, content: bytes, media_type: MediaType) -> Reply:
        batch = read_bulk(content, media_type)
        orders = [Order(*row) for row in batch.rows]
        if not orders:
            raise Problem(ProblemType.MALFORMED_BODY, "the body has no orders")
        try:
            outcomes = place_all(self.store, orders)
        except OrderConflict as conflict:
            raise bulk_conflict(conflict, batch.numbers) from None
        counts = {
            outcome.value: outcomes.count(outcome)
            for outcome in (Outcome.CREATED, Outcome.REPLAYED)
        }
        return Reply(HTTPStatus.OK, json.dumps(counts).encode(), MediaType.JSON.value)

    def get(self, request: Request, id: str) -> ReplyCoroutine:  # noqa: A002 - the name in the path
        """Look up one order by the path."""
        request.query(())
        return self._get_one(request, id)

    def get_list(self, request: Request) -> ReplyCoroutine:
        """Look up one order by the query's `id`, or list orders by id."""
        query = request.query(("after", "id", "limit"))
        if "id" in query:
            if len(query) > 1:
                raise Problem(ProblemType.INVALID_QUERY, "id excludes all other parameters")
            return self._get_one(request, query["id"])
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
    ) -> ReplyCoroutine:
        query = JsonPage.query(limit, after)
        if limit <= SHORT_LIST and media_type is not MediaType.CSV:
            lines: bytes = yield ReadPages([query])
            reply = _list_reply(request.root, query, lines, media_type)
        else:
            reply = yield Work(lambda: self._read_list(request.root, query, media_type))
        return request.answered_conditionally(reply)

    def _read_list(self, root: str, query: PageQuery, media_type: MediaType) -> Reply:
        (lines,) = self.store.pages_json([query])
        return _list_reply(root, query, lines, media_type)

    def _get_one(self, request: Request, text: str) -> ReplyCoroutine:
        choose(request.header("Accept"), [MediaType.JSON])
        try:
            order_id = OrderId.of_stored(text)
        except InvalidOrder as error:
            detail = f"no order can have this id: {error}"
            raise Problem(ProblemType.ORDER_NOT_FOUND, detail) from None
        order: Order | None = yield GetOrders([order_id])
        if order is None:
            raise Problem(ProblemType.ORDER_NOT_FOUND, str(OrderNotFound(text)))
        return request.answered_conditionally(_order_reply(HTTPStatus.OK, order, _REVALIDATE))


def _list_reply(root: str, query: PageQuery, lines: bytes, media_type: MediaType) -> Reply:
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
        next_page = f"{root}/orders?after={cursor_of_id(found.last)}&limit={limit}"
        headers.append(("Link", f'<{next_page}>; rel="next"'))
    return Reply(HTTPStatus.OK, body, content_type, tuple(headers))


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
