"""The same interface in FastAPI, with pydantic's models and asyncpg's pool.

uvicorn runs it as its documentation recommends for production. libpq's environment variables name
the database.
"""

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Annotated, Any, Final

import asyncpg
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

_INSERT: Final = "INSERT INTO orders (id, amount) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING"
_GET: Final = "SELECT id, amount FROM orders WHERE id = $1"
_PAGE: Final = "SELECT id, amount FROM orders ORDER BY id LIMIT $1"
_PAGE_AFTER: Final = "SELECT id, amount FROM orders WHERE id > $1 ORDER BY id LIMIT $2"
_MAX_AMOUNT: Final = Decimal("9999999999999.99")
_MAX_AMOUNT_LENGTH: Final = 32
_WRITTEN_AMOUNT: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def _not_dots(text: str) -> str:
    if text in {".", ".."}:
        message = "paths cannot carry it"
        raise ValueError(message)
    return text


def _written_as_number(value: object) -> object:
    """Refuse strings that pydantic accepts as Decimals but JSON's number grammar does not."""
    if isinstance(value, str) and (
        len(value) > _MAX_AMOUNT_LENGTH or not _WRITTEN_AMOUNT.fullmatch(value)
    ):
        message = "not a decimal number"
        raise ValueError(message)
    return value


OrderId = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=128, pattern=r"^[^\s\p{Cc}]([^\p{Cc}]*[^\s\p{Cc}])?$"
    ),
    AfterValidator(_not_dots),
]
Amount = Annotated[
    Decimal,
    Field(ge=0, le=_MAX_AMOUNT, decimal_places=2, allow_inf_nan=False),
    BeforeValidator(_written_as_number),
]


class NewOrder(BaseModel):
    """An order from a client."""

    model_config = ConfigDict(extra="forbid")
    id: OrderId
    amount: Amount


class Order(BaseModel):
    """A stored order, which needs no second check."""

    id: str
    amount: Decimal


class _ExactRequest(Request):
    """A request whose JSON numbers become Decimals, because floats would round them."""

    async def json(self) -> Any:  # noqa: ANN401 - any JSON
        return json.loads(await self.body(), parse_float=Decimal)


class _ExactRoute(APIRoute):
    """FastAPI's documented way to replace the request ("Custom Request and APIRoute")."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        handler = super().get_route_handler()

        async def exact(request: Request) -> Response:
            return await handler(_ExactRequest(request.scope, request.receive))

        return exact


@asynccontextmanager
async def _lifespan(application: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool() as pool:
        application.state.pool = pool
        yield


app = FastAPI(lifespan=_lifespan)
app.router.route_class = _ExactRoute


@app.get("/health")
async def health() -> dict[str, str]:
    """Report that the process answers."""
    return {"status": "ok"}


@app.post("/orders", status_code=201)
async def place(order: NewOrder, request: Request, response: Response) -> Order:
    """Store an order: 201; a replay gives 200, another amount 409."""
    async with request.app.state.pool.acquire() as connection:
        if await connection.execute(_INSERT, order.id, order.amount) == "INSERT 0 0":
            stored = await connection.fetchrow(_GET, order.id)
            if stored["amount"] != order.amount:
                raise HTTPException(409, "already stored with another amount")
            response.status_code = 200
    return Order.model_construct(id=order.id, amount=order.amount)


@app.get("/orders/{order_id}")
async def look_up(order_id: str, request: Request) -> Order:
    """Look an order up."""
    async with request.app.state.pool.acquire() as connection:
        found = await connection.fetchrow(_GET, order_id)
    if found is None:
        raise HTTPException(404, "there is no such order")
    return Order.model_construct(**found)


@app.get("/orders", response_model=list[Order])
async def listing(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
    after: str | None = None,
) -> list[dict[str, Any]]:
    """List orders by id."""
    async with request.app.state.pool.acquire() as connection:
        if after is None:
            rows = await connection.fetch(_PAGE, limit)
        else:
            rows = await connection.fetch(_PAGE_AFTER, after, limit)
    # The fastest of the documented ways to return many: pydantic builds all models in one call.
    return [dict(row) for row in rows]
