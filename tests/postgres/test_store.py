"""The PostgreSQL store, beyond the contract of every store."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from orders_core import Order, Outcome, StoreUnavailable
from orders_postgres import PostgresStore
from orders_postgres.open_connection import connect
from tests.postgres_server import OWNER, OrdersDatabase
from tests.strategies import has_usable_edges

ids = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]) | st.sampled_from("\\\"{},'NULL"),
    min_size=1,
    max_size=128,
).filter(lambda text: has_usable_edges(text) and text not in {".", ".."})

# More than a single write sends.
ROWS = [(f"{number:0100d}", "1") for number in range(2_000)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(ids, unique=True, min_size=1, max_size=20))
@example(["NULL", "null", "Null", '"', "\\", "\\\\", "a,b", "{", "}", "{}", "'", "''", "a b"])
@example(
    ["$1", "%s", ":id", "😀", "\U0010ffff", "a\u200fb", "e\u0301", "é", "--", ";", "\\x41", "\\N"]
)
def test_every_id_is_read_back_unchanged(postgres_store: PostgresStore, texts: list[str]) -> None:
    orders = [Order(text, "0.10") for text in texts]
    postgres_store.add(orders)
    assert postgres_store.get([order.id for order in orders]) == orders


def test_ten_thousand_orders_are_one_batch(patient_store: PostgresStore) -> None:
    orders = [Order(f"order-{number}", number) for number in range(10_000)]
    assert set(patient_store.add(orders, atomic=True)) == {Outcome.CREATED}
    assert set(patient_store.add(orders)) == {Outcome.REPLAYED}
    assert patient_store.get([order.id for order in orders]) == orders


def test_batches_that_overlap_in_any_order_never_deadlock(patient_store: PostgresStore) -> None:
    def add(orders: Sequence[Order]) -> Sequence[Outcome]:
        return patient_store.add(orders)

    upwards = [Order(f"{number:04d}", 1) for number in range(2_000)]
    with ThreadPoolExecutor(4) as threads:
        outcomes = list(threads.map(add, [upwards, upwards[::-1]] * 2))
    created = sum(each is Outcome.CREATED for batch in outcomes for each in batch)
    assert created == len(upwards)


def test_the_limits_of_the_design_hold_in_every_session(orders_database: OrdersDatabase) -> None:
    with closing(connect(orders_database.url(application_name="nightly import"))) as connection:
        rows = connection.run(
            "SELECT name, setting FROM pg_settings WHERE name IN ('lock_timeout', "
            "'statement_timeout', 'idle_in_transaction_session_timeout', 'application_name', "
            "'client_encoding', 'default_transaction_isolation')",
        )
    assert {name: setting for name, setting in rows} == {  # noqa: C416 - rows are no pairs
        "lock_timeout": "1000",
        "statement_timeout": "2000",
        "idle_in_transaction_session_timeout": "5000",
        "application_name": "nightly import",
        "client_encoding": "UTF8",
        "default_transaction_isolation": "read committed",
    }


def test_the_sum_has_no_upper_bound(postgres_store: PostgresStore) -> None:
    largest = [Order(f"{number}", "9999999999999.99") for number in range(1_000)]
    postgres_store.add(largest)
    totals = postgres_store.totals()
    assert (totals.count, str(totals.amount)) == (1_000, "9999999999999990.00")


def test_the_sum_of_an_empty_store_is_zero_with_two_decimals(postgres_store: PostgresStore) -> None:
    assert str(postgres_store.totals().amount) == "0.00"


def test_an_empty_batch_sends_no_statement(orders_database: OrdersDatabase) -> None:
    store = orders_database.store()
    store.close()
    assert store.add([]) == ()
    assert store.get([]) == ()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE orders SET amount = 0",
        "DELETE FROM orders",
        "TRUNCATE orders",
        "DROP TABLE orders",
        "ALTER TABLE orders ADD COLUMN note text",
        "CREATE INDEX spare ON orders (amount)",
        "INSERT INTO orders_schema (version, name) VALUES (2, 'x')",
        "CREATE RULE lose AS ON INSERT TO orders DO INSTEAD NOTHING",
        f"SET ROLE {OWNER}",
    ],
)
def test_the_service_may_only_read_and_add(
    orders_database: OrdersDatabase,
    statement: str,
) -> None:
    refused = pytest.raises(StoreUnavailable, match="42501")
    with closing(connect(orders_database.url())) as connection, refused:
        connection.script(statement)


@pytest.mark.parametrize("amount", ["-0.01", "10000000000000.00", "NaN", "Infinity"])
def test_the_table_refuses_an_invalid_amount(
    orders_database: OrdersDatabase,
    amount: str,
) -> None:
    refused = pytest.raises(StoreUnavailable, match=r"SQLSTATE (23514|22003)")
    with closing(connect(orders_database.owner_url())) as connection, refused:
        connection.run("INSERT INTO orders VALUES ('A', CAST($1::text AS numeric))", amount)


def test_a_failed_atomic_batch_stores_nothing_and_keeps_its_connection(
    orders_database: OrdersDatabase,
    postgres_store: PostgresStore,
) -> None:
    postgres_store.add([Order("B", 1)])
    before = orders_database.sessions()
    outcomes = postgres_store.add([Order("A", 1), Order("B", 2)], atomic=True)
    assert outcomes == (Outcome.CREATED, Outcome.CONFLICT)
    assert postgres_store.page(10) == [Order("B", 1)]
    assert orders_database.sessions() == before


def test_a_page_before_an_id_is_in_ascending_order(postgres_store: PostgresStore) -> None:
    orders = [Order(letter, 1) for letter in "ABCDE"]
    postgres_store.add(orders)
    assert postgres_store.page(2, before=orders[4].id) == orders[2:4]
    assert postgres_store.page(2, after=orders[0].id) == orders[1:3]
