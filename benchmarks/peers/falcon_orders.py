"""The same interface in Falcon, with msgspec's JSON and psycopg's pool.

granian runs it as its documentation recommends for WSGI. libpq's environment variables name the
database.
"""

import os
import re
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import falcon
import falcon.media
import msgspec
from psycopg_pool import ConnectionPool

_INSERT: Final = "INSERT INTO orders (id, amount) VALUES (%s, %s) ON CONFLICT (id) DO NOTHING"
_GET: Final = "SELECT id, amount FROM orders WHERE id = %s"
_PAGE: Final = "SELECT id, amount FROM orders ORDER BY id LIMIT %s"
_PAGE_AFTER: Final = "SELECT id, amount FROM orders WHERE id > %s ORDER BY id LIMIT %s"
_MAX_LIMIT: Final = 10_000
_MAX_ID_LENGTH: Final = 128
_MAX_AMOUNT: Final = Decimal("9999999999999.99")
_MAX_AMOUNT_LENGTH: Final = 32
_CENT: Final = Decimal("0.01")
_UNUSABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]|^\.{1,2}\Z|^\s|\s\Z")
_WRITTEN_AMOUNT: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def _invalid(message: str) -> falcon.HTTPUnprocessableEntity:
    return falcon.HTTPUnprocessableEntity(description=message)


def _checked_id(value: object) -> str:
    if (
        not isinstance(value, str)
        or not 1 <= len(value) <= _MAX_ID_LENGTH
        or _UNUSABLE.search(value)
    ):
        raise _invalid("id: 1 to 128 characters, no control characters, no white space around")
    return value


def _checked_amount(value: object) -> Decimal:
    if isinstance(value, str):
        if len(value) > _MAX_AMOUNT_LENGTH or not _WRITTEN_AMOUNT.fullmatch(value):
            raise _invalid("amount: not a decimal number")
        value = Decimal(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        value = Decimal(value)
    if not isinstance(value, Decimal) or not 0 <= value <= _MAX_AMOUNT:
        raise _invalid("amount: must be 0.00 to 9999999999999.99")
    try:
        exact = value.quantize(_CENT)
    except InvalidOperation:
        raise _invalid("amount: too many digits") from None
    if exact != value:
        raise _invalid("amount: more than two decimal places")
    return exact


class Orders:
    """`/orders`: place an order, list orders."""

    def __init__(self, pool: Any) -> None:  # noqa: ANN401 - the pool's types are in its own venv
        """Store the pool."""
        self._pool = pool

    def on_post(self, request: Any, response: Any) -> None:  # noqa: ANN401 - as above
        """Store an order: 201; a replay gives 200, another amount 409."""
        body = request.get_media()
        if not isinstance(body, dict) or body.keys() != {"id", "amount"}:
            raise _invalid("an object with id and amount, and nothing else")
        order_id, amount = _checked_id(body["id"]), _checked_amount(body["amount"])
        response.status = falcon.HTTP_201
        with self._pool.connection() as connection:
            if connection.execute(_INSERT, (order_id, amount)).rowcount == 0:
                ((_, stored),) = connection.execute(_GET, (order_id,)).fetchall()
                if stored != amount:
                    raise falcon.HTTPConflict(description="already stored with another amount")
                response.status = falcon.HTTP_200
        response.media = {"id": order_id, "amount": amount}

    def on_get(self, request: Any, response: Any) -> None:  # noqa: ANN401 - as above
        """List orders by id."""
        limit = request.get_param_as_int(
            "limit", min_value=1, max_value=_MAX_LIMIT, default=_MAX_LIMIT
        )
        after = request.get_param("after")
        with self._pool.connection() as connection:
            if after is None:
                rows = connection.execute(_PAGE, (limit,)).fetchall()
            else:
                rows = connection.execute(_PAGE_AFTER, (after, limit)).fetchall()
        response.media = [{"id": order_id, "amount": amount} for order_id, amount in rows]


class OneOrder:
    """`/orders/{id}`: look an order up."""

    def __init__(self, pool: Any) -> None:  # noqa: ANN401 - as above
        """Store the pool."""
        self._pool = pool

    def on_get(self, _request: Any, response: Any, order_id: str) -> None:  # noqa: ANN401 - as above
        """Look an order up."""
        with self._pool.connection() as connection:
            row = connection.execute(_GET, (order_id,)).fetchone()
        if row is None:
            raise falcon.HTTPNotFound
        response.media = {"id": row[0], "amount": row[1]}


class Health:
    """`/health`: the process answers."""

    def on_get(self, _request: Any, response: Any) -> None:  # noqa: ANN401 - as above
        """Report that the process answers."""
        response.media = {"status": "ok"}


def create_app() -> falcon.App:
    """Build the application, with one pooled connection for each of granian's threads."""
    threads = int(os.environ["GRANIAN_BLOCKING_THREADS"])
    pool = ConnectionPool(
        min_size=threads, max_size=threads, kwargs={"autocommit": True}, open=True
    )
    application = falcon.App()
    # Falcon's recipe for msgspec. Numbers become Decimals, because floats would round them.
    handler = falcon.media.JSONHandler(
        dumps=msgspec.json.Encoder(decimal_format="number").encode,
        loads=msgspec.json.Decoder(float_hook=Decimal).decode,
    )
    application.req_options.media_handlers[falcon.MEDIA_JSON] = handler
    application.resp_options.media_handlers[falcon.MEDIA_JSON] = handler
    application.add_route("/orders", Orders(pool))
    application.add_route("/orders/{order_id}", OneOrder(pool))
    application.add_route("/health", Health())
    return application


app = create_app()
