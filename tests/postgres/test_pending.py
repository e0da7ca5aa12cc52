"""Calls that are begun and awaited on a socket: the same outcomes, and no blocking."""

import select
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest
from attrs import evolve

from orders_core import (
    AddOrders,
    GetOrders,
    Order,
    OrderId,
    Outcome,
    Pending,
    Reason,
    StoreUnavailable,
)
from orders_postgres import PostgresStore
from orders_postgres.connection import Connection
from orders_postgres.open_connection import connect
from orders_postgres.pending import Statements, begin_statements
from orders_postgres.pool import Pool
from orders_postgres.url import Host
from tests.postgres.proxy import open_proxy
from tests.postgres_server import HOST, OrdersDatabase


@pytest.fixture
def open_store(orders_database: OrdersDatabase) -> Iterator[PostgresStore]:
    """A store with one open connection."""
    with closing(orders_database.store(connections=1)) as store:
        store.check()
        yield store


def ended(pending: Pending | None) -> Pending:
    """Wait for the end of a call, as an event loop does."""
    assert pending is not None
    while not pending.proceed():
        poll = select.poll()
        poll.register(pending.fileno(), select.POLLIN)
        poll.poll(100)
    return pending


def results(pending: Pending) -> list[Any]:
    """Return the results of a call whose connection was not lost."""
    found = pending.results()
    assert found is not None
    return [*found]


def test_orders_are_created_then_replayed_or_in_conflict(open_store: PostgresStore) -> None:
    orders = [Order("A", 1), Order("B", 2), Order("B", 3)]
    created = ended(open_store.begin(AddOrders(orders)))
    assert results(created) == [Outcome.CREATED, Outcome.CREATED, Outcome.CONFLICT]
    again = ended(open_store.begin(AddOrders([Order("C", 1), Order("A", 1), Order("B", 5)])))
    assert results(again) == [Outcome.CREATED, Outcome.REPLAYED, Outcome.CONFLICT]


def test_each_lookup_returns_its_order_or_none(open_store: PostgresStore) -> None:
    open_store.add([Order("A", 1)])
    found = ended(open_store.begin(GetOrders([OrderId("A"), OrderId("missing"), OrderId("A")])))
    assert results(found) == [Order("A", 1), None, Order("A", 1)]


def test_an_answer_that_arrives_byte_by_byte_is_read_once_it_is_complete(
    orders_database: OrdersDatabase,
) -> None:
    with open_proxy(orders_database.server.port) as proxy:
        url = evolve(orders_database.url(), hosts=(Host(HOST, proxy.port),))
        with closing(PostgresStore(url)) as store:
            store.add([Order("A", 1)])
            proxy.drips = True
            found = ended(store.begin(GetOrders([OrderId("A")])))
            assert results(found) == [Order("A", 1)]


def test_a_large_answer_is_read_once_it_is_complete(open_store: PostgresStore) -> None:
    ids = [OrderId("x" * 70 + str(number)) for number in range(200)]
    open_store.add([Order(each, 1) for each in ids])
    pending = open_store.begin(GetOrders(ids))
    assert pending is not None
    while not pending.proceed():
        pass
    assert [order and order.id for order in results(pending)] == ids


def test_no_call_begins_that_would_block(orders_database: OrdersDatabase) -> None:
    with closing(orders_database.store(connections=1)) as store:
        assert store.begin(AddOrders([Order("A", 1)])) is None, "no connection is open"
        store.check()
        many = [OrderId(f"{number}") for number in range(300)]
        assert store.begin(GetOrders(many)) is None, "sending takes its time"
        assert store.begin(AddOrders([Order(each, 1) for each in many])) is None
        pending = store.begin(GetOrders([OrderId("A")]))
        assert store.begin(GetOrders([OrderId("A")])) is None, "the connection is lent"
        assert results(ended(pending)) == [None]
    assert store.begin(GetOrders([OrderId("A")])) is None, "the store is closed"


def test_a_call_whose_connection_is_lost_can_be_repeated(
    orders_database: OrdersDatabase,
) -> None:
    call = AddOrders([Order("cut here", 1)])
    with open_proxy(orders_database.server.port) as proxy:
        url = evolve(orders_database.url(), hosts=(Host(HOST, proxy.port),))
        with closing(PostgresStore(url)) as store:
            store.check()
            proxy.cut_after = b"cut here"
            assert ended(store.begin(call)).results() is None
            assert list(call.run(store)) == [Outcome.REPLAYED]
            assert proxy.cuts == 1


def test_a_call_whose_session_the_server_ends_can_be_repeated(
    orders_database: OrdersDatabase,
    open_store: PostgresStore,
) -> None:
    call = AddOrders([Order("A", 1)])
    with closing(orders_database.server.connect(orders_database.name)) as other:
        other.run("BEGIN")
        other.run("LOCK TABLE orders")
        pending = open_store.begin(call)
        orders_database.end_sessions()
        assert ended(pending).results() is None
    assert list(call.run(open_store)) == [Outcome.CREATED]


def test_a_failed_statement_is_reported_and_its_connection_stays_open(
    orders_database: OrdersDatabase,
    open_store: PostgresStore,
) -> None:
    with closing(orders_database.server.connect(orders_database.name)) as other:
        other.run("BEGIN")
        other.run("LOCK TABLE orders")
        pending = ended(open_store.begin(AddOrders([Order("A", 1)])))
        with pytest.raises(StoreUnavailable) as caught:
            pending.results()
    assert caught.value.reason is Reason.TIMEOUT
    sessions = orders_database.sessions()
    assert results(ended(open_store.begin(GetOrders([OrderId("A")])))) == [None]
    assert orders_database.sessions() == sessions


def test_a_server_that_stops_answering_is_given_up(orders_database: OrdersDatabase) -> None:
    with open_proxy(orders_database.server.port) as proxy:
        url = evolve(orders_database.url(), hosts=(Host(HOST, proxy.port),))
        with closing(PostgresStore(url)) as store:
            store.check()
            proxy.silent = True
            pending = ended(store.begin(GetOrders([OrderId("A")])))
            with pytest.raises(StoreUnavailable) as caught:
                pending.results()
    assert caught.value.reason is Reason.TIMEOUT


def test_a_call_that_cannot_be_sent_does_not_begin(orders_database: OrdersDatabase) -> None:
    def opened() -> Connection:
        return connect(orders_database.url())

    def unprepared() -> Statements[Order]:
        rows: Sequence[object] = yield "SELECT 1", ()
        assert rows
        return ()

    pool = Pool(opened)
    with closing(pool):
        with pool.connection() as connection:
            assert connection.run("SELECT 2") == [[2]]
        assert begin_statements(pool, unprepared()) is None
        assert pool.acquire_idle() is None, "its connection is not used again"
