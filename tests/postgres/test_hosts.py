"""A URL with several hosts: the first suitable one is used."""

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
from attrs import evolve, frozen

from orders_core import Order, Outcome, Reason, StoreUnavailable
from orders_postgres import DatabaseUrl, Host, PostgresStore, TargetSessionAttrs, migrate
from orders_postgres.open_connection import connect
from tests.postgres.proxy import open_proxy
from tests.postgres_server import (
    HOST,
    OWNER,
    SERVICE,
    TEMPLATE,
    OrdersDatabase,
    PostgresServer,
    open_server,
    wait_until,
)


@frozen
class Pair:
    """Two databases of the same name on two servers."""

    first: OrdersDatabase
    second: OrdersDatabase

    def url(self, target: str = "any") -> DatabaseUrl:
        """Return the URL that lists both."""
        ports = f"{self.first.server.port},{self.second.server.port}"
        return self.first_url(host=f"{HOST},{HOST}", port=ports, target_session_attrs=target)

    def first_url(self, **parameters: str) -> DatabaseUrl:
        """Return a URL with these parameters."""
        text = self.first.server.url_text(self.first.name, **parameters)
        return DatabaseUrl.parse(text.replace(f"{HOST}:{self.first.server.port}/", "/"))


@pytest.fixture(scope="module")
def other_server() -> Iterator[PostgresServer]:
    with open_server() as server:
        yield server


@pytest.fixture
def pair(orders_database: OrdersDatabase, other_server: PostgresServer) -> Iterator[Pair]:
    name = orders_database.name
    other_server.run(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} OWNER {OWNER}")
    other = OrdersDatabase(other_server, name)
    try:
        yield Pair(orders_database, other)
    finally:
        other.drop()


def forbid_writes(database: OrdersDatabase) -> None:
    database.server.run(f"ALTER DATABASE {database.name} SET default_transaction_read_only = on")


def allow_writes(database: OrdersDatabase) -> None:
    database.server.run(f"ALTER DATABASE {database.name} RESET default_transaction_read_only")


def port_of(url: DatabaseUrl) -> int:
    """Return the port of the server that a connection reaches."""
    with closing(connect(url)) as connection:
        ((port,),) = connection.run("SELECT inet_server_port()")
    return int(port)


def failure(url: DatabaseUrl) -> StoreUnavailable:
    with pytest.raises(StoreUnavailable) as caught:
        connect(url)
    return caught.value


@pytest.fixture
def dead() -> Host:
    """A host that refuses connections."""
    with socket.create_server((HOST, 0)) as listener:
        return Host(HOST, listener.getsockname()[1])


@pytest.mark.parametrize("target", ["any", "read-write"])
def test_the_first_suitable_host_is_used(pair: Pair, target: str) -> None:
    assert port_of(pair.url(target)) == pair.first.server.port


@pytest.mark.parametrize("target", TargetSessionAttrs)
def test_a_host_that_refuses_connections_is_skipped(
    orders_database: OrdersDatabase,
    dead: Host,
    target: TargetSessionAttrs,
) -> None:
    url = orders_database.url()
    several = evolve(url, hosts=(dead, *url.hosts), target_session_attrs=target)
    assert port_of(several) == orders_database.server.port
    with closing(PostgresStore(several)) as store:
        assert store.add([Order("A", 1)]) == (Outcome.CREATED,)


def test_a_silent_host_is_skipped_after_the_connect_timeout(
    orders_database: OrdersDatabase,
) -> None:
    url = orders_database.url(connect_timeout="5")
    with open_proxy(orders_database.server.port) as proxy:
        proxy.silent = True
        several = evolve(url, hosts=(Host(HOST, proxy.port), *url.hosts))
        assert port_of(several) == orders_database.server.port


def test_a_host_that_refuses_the_user_is_skipped(pair: Pair) -> None:
    pair.first.run(f"REVOKE CONNECT ON DATABASE {pair.first.name} FROM PUBLIC")
    assert port_of(pair.url()) == pair.second.server.port


def test_a_read_only_host_is_skipped_if_writes_are_wanted(pair: Pair) -> None:
    forbid_writes(pair.first)
    assert port_of(pair.url("read-write")) == pair.second.server.port
    assert port_of(pair.url()) == pair.first.server.port


def test_a_skipped_host_keeps_no_session(pair: Pair) -> None:
    forbid_writes(pair.first)
    with closing(connect(pair.url("read-write"))):
        wait_until(lambda: pair.first.sessions() == [])


def test_a_store_follows_the_writable_host(pair: Pair) -> None:
    forbid_writes(pair.second)
    with closing(PostgresStore(pair.url("read-write"))) as store:
        assert store.add([Order("A", 1)]) == (Outcome.CREATED,)
        forbid_writes(pair.first)
        allow_writes(pair.second)
        # The setting applies to new connections only.
        pair.first.end_sessions()
        assert store.add([Order("B", 1)]) == (Outcome.CREATED,)
    assert pair.first.run("SELECT id FROM orders") == [["A"]]
    assert pair.second.run("SELECT id FROM orders") == [["B"]]


def test_migrations_go_to_the_writable_host(pair: Pair) -> None:
    forbid_writes(pair.first)
    url = evolve(pair.url("read-write"), user=OWNER)
    pair.second.run(f"DROP OWNED BY {OWNER}")
    assert migrate(url, SERVICE)[0] == "0001_orders.sql"


def test_if_all_hosts_fail_each_is_named_with_its_port(dead: Host) -> None:
    with socket.create_server((HOST, 0)) as listener:
        other = Host(HOST, listener.getsockname()[1])
    error = failure(DatabaseUrl.parse(f"postgresql://u@{dead},{other}/d"))
    assert error.reason is Reason.UNREACHABLE
    for host, told in zip((dead, other), str(error).split("; "), strict=True):
        assert told.startswith(f"{host}/d: cannot connect: ")


def test_the_reason_is_that_of_the_first_host_that_answered(pair: Pair, dead: Host) -> None:
    forbid_writes(pair.first)
    pair.second.run(f"REVOKE CONNECT ON DATABASE {pair.second.name} FROM PUBLIC")
    url = pair.url("read-write")
    several = evolve(url, hosts=(dead, *url.hosts))
    error = failure(several)
    assert error.reason is Reason.READ_ONLY
    assert "target_session_attrs" in str(error)
    assert "42501" in str(error)


def test_a_server_that_is_lost_while_its_state_is_read_is_unreachable(
    orders_database: OrdersDatabase,
) -> None:
    url = orders_database.url(target_session_attrs="read-write")
    with open_proxy(orders_database.server.port) as proxy:
        proxy.cut_before = b"transaction_read_only"
        error = failure(evolve(url, hosts=(Host(HOST, proxy.port),)))
    assert error.reason is Reason.UNREACHABLE


def test_an_error_of_a_statement_names_the_connected_host(
    orders_database: OrdersDatabase,
    dead: Host,
) -> None:
    url = orders_database.url()
    with closing(connect(evolve(url, hosts=(dead, *url.hosts)))) as connection:
        with pytest.raises(StoreUnavailable) as caught:
            connection.script("nonsense")
        assert str(caught.value).startswith(f"{url.address}: ")
