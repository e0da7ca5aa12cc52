"""Every form of an order has the fields that the core declares, under the same names."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from orders_core import (
    FIELD_NAMES,
    FIELDS,
    MAX_ID_LENGTH,
    Order,
    PageQuery,
    json_lines,
    order_to_json,
)
from orders_core.amount import AMOUNT_PATTERN
from orders_http.api.application import HttpSettings, create_app
from orders_http.api.hosts import HostRule
from orders_memory import MemoryStore
from orders_records import CSV_HEADER, csv_of_json_lines
from orders_sqlite import SqliteStore
from tests.contract.data import Data
from tests.http.wsgi_client import WsgiClient

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgres_server import OrdersDatabase

ORDER = Order("A-1", "12.30")


def openapi_schemas() -> dict[str, Any]:
    client = WsgiClient(create_app(MemoryStore(), HttpSettings("USD", HostRule())))
    schemas: dict[str, Any] = client.get("/openapi.json").json()["components"]["schemas"]
    return schemas


def columns_in_sqlite(request: pytest.FixtureRequest) -> Sequence[str]:
    folder: Path = request.getfixturevalue("tmp_path")
    path = folder / "orders.db"
    with closing(SqliteStore(path)) as store:
        store.check()
    with closing(sqlite3.connect(path)) as connection:
        columns = connection.execute("SELECT name FROM pragma_table_info('orders')")
        return [name for (name,) in columns]


def columns_in_postgres(request: pytest.FixtureRequest) -> Sequence[str]:
    database: OrdersDatabase = request.getfixturevalue("contract_database")
    columns = database.run(
        "SELECT attname FROM pg_attribute "
        "WHERE attrelid = 'orders'::regclass AND attnum > 0 ORDER BY attnum"
    )
    return [name for (name,) in columns]


FORMS: Mapping[str, Callable[[pytest.FixtureRequest], Iterable[str]]] = {
    "order": lambda _: [each.name for each in attrs.fields(Order)],
    "JSON": lambda _: json.loads(order_to_json(ORDER)),
    "lines of JSON": lambda _: json.loads(json_lines([ORDER.row])),
    "CSV": lambda _: CSV_HEADER.split(","),
    "SQLite": columns_in_sqlite,
    "PostgreSQL": columns_in_postgres,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_an_order_has_these_fields(form: str, request: pytest.FixtureRequest) -> None:
    assert tuple(FORMS[form](request)) == FIELD_NAMES


def test_openapi_has_these_fields_with_their_types_limits_and_patterns() -> None:
    schemas = openapi_schemas()
    for name in ("NewOrder", "Order"):
        assert set(schemas[name]["properties"]) == set(FIELD_NAMES)
    assert set(schemas["NewOrder"]["required"]) == {
        each.name for each in FIELDS if each.is_required
    }
    assert set(schemas["Order"]["required"]) == set(FIELD_NAMES)
    assert schemas["OrderId"]["maxLength"] == MAX_ID_LENGTH
    assert schemas["AmountText"]["pattern"].replace("(", "(?:") == f"^{AMOUNT_PATTERN}$"
    types = [schemas["OrderId"]["type"], schemas["Amount"]["type"]]
    assert types == ["number" if field.is_number else "string" for field in FIELDS]


def test_each_store_keeps_every_field(data: Data) -> None:
    with closing(data.open()) as store:
        store.add([ORDER])
        assert store.load([Order("A-2", "1.00").row])
        (lines,) = store.pages_json([PageQuery(10)])
        both = [ORDER, Order("A-2", "1.00")]
        assert lines == json_lines(order.row for order in both)
        assert csv_of_json_lines(lines).decode().split() == [",".join(each.row) for each in both]
        assert store.get([each.id for each in both]) == store.page(10) == both
