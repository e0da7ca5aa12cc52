"""What the store does when the database or the network fails."""

import socket
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from threading import Thread

import pytest
from attrs import evolve

from orders_core import Order, OrderId, Outcome, Reason, StoreUnavailable
from orders_postgres import DatabaseUrl, Host, PostgresStore
from orders_postgres.errors import Interrupted
from orders_postgres.open_connection import connect
from orders_postgres.session_settings import Limits
from tests.postgres.proxy import Proxy, open_proxy
from tests.postgres_server import HOST, SERVICE, OrdersDatabase, PostgresServer, wait_until

ORDERS = [Order("A", "1.00"), Order("B", "2.00")]


def failure(work: Callable[[], object]) -> StoreUnavailable:
    with pytest.raises(StoreUnavailable) as caught:
        work()
    assert type(caught.value) in {StoreUnavailable, Interrupted}
    return caught.value


def check(url: DatabaseUrl) -> None:
    with closing(PostgresStore(url)) as store:
        store.check()


@pytest.fixture
def proxy(postgres_server: PostgresServer) -> Iterator[Proxy]:
    with open_proxy(postgres_server.port) as proxy:
        yield proxy


@pytest.fixture
def proxied_store(proxy: Proxy, orders_database: OrdersDatabase) -> Iterator[PostgresStore]:
    """A store with one open connection, through the proxy."""
    url = evolve(orders_database.url(), hosts=(Host(HOST, proxy.port),))
    with closing(PostgresStore(url, connections=1)) as store:
        store.check()
        yield store


# The network


@pytest.mark.parametrize("atomic", [False, True])
def test_a_commit_whose_answer_is_lost_is_detected_and_reported(
    proxy: Proxy,
    proxied_store: PostgresStore,
    orders_database: OrdersDatabase,
    *,
    atomic: bool,
) -> None:
    proxied_store.add([Order("warm", 1), Order("up", 1)], atomic=atomic)
    proxy.cut_after = b'{"A","B"}'
    assert proxied_store.add(ORDERS, atomic=atomic) == (Outcome.REPLAYED, Outcome.REPLAYED)
    assert proxy.cuts == 1
    assert orders_database.run("SELECT count(*) FROM orders WHERE id IN ('A', 'B')") == [[2]]


@pytest.mark.parametrize(("atomic", "message"), [(False, b'{"A","B"}'), (True, b"COMMIT")])
def test_a_batch_that_is_lost_before_its_commit_is_repeated(
    proxy: Proxy,
    proxied_store: PostgresStore,
    *,
    atomic: bool,
    message: bytes,
) -> None:
    proxy.cut_before = message
    assert proxied_store.add(ORDERS, atomic=atomic) == (Outcome.CREATED, Outcome.CREATED)
    assert proxy.cuts == 1


def test_loaded_orders_whose_answer_is_lost_are_detected_and_stored_once(
    proxy: Proxy,
    proxied_store: PostgresStore,
    orders_database: OrdersDatabase,
) -> None:
    proxy.cut_after = b"A\t1.00"
    assert not proxied_store.load([order.row for order in ORDERS])
    assert proxy.cuts == 1
    assert proxied_store.add(ORDERS) == (Outcome.REPLAYED, Outcome.REPLAYED)
    assert len(orders_database.orders()) == len(ORDERS)


def test_loaded_orders_that_are_lost_on_the_way_are_sent_again(
    proxy: Proxy,
    proxied_store: PostgresStore,
) -> None:
    proxy.cut_before = b"A\t1.00"
    assert proxied_store.load([order.row for order in ORDERS])
    assert proxy.cuts == 1


def test_a_read_whose_connection_is_lost_is_repeated(
    proxy: Proxy,
    proxied_store: PostgresStore,
) -> None:
    proxied_store.add(ORDERS)
    proxy.cut_after = b'{"A"}'
    assert proxied_store.get([OrderId("A")]) == [ORDERS[0]]
    assert proxy.cuts == 1


def test_a_second_consecutive_loss_is_reported_and_the_order_can_be_added_again(
    proxy: Proxy,
    proxied_store: PostgresStore,
) -> None:
    proxy.cut_before = proxy.cut_after = b'{"A","B"}'
    # The first attempt is cut before it arrives, the second after its commit.
    error = failure(lambda: proxied_store.add(ORDERS))
    assert error.reason is Reason.UNREACHABLE
    assert proxy.cuts == 2
    assert proxied_store.add(ORDERS) == (Outcome.REPLAYED, Outcome.REPLAYED)


def test_a_server_that_stops_answering_is_a_timeout_and_is_not_retried(
    proxy: Proxy,
    proxied_store: PostgresStore,
) -> None:
    proxy.silent = True
    assert failure(lambda: proxied_store.add(ORDERS)).reason is Reason.TIMEOUT
    wait_until(lambda: proxy.lost > 0)
    proxy.silent = False
    assert proxied_store.add(ORDERS) == (Outcome.CREATED, Outcome.CREATED)


def test_a_server_that_never_answers_a_new_connection_is_a_timeout(
    proxy: Proxy,
    orders_database: OrdersDatabase,
) -> None:
    proxy.silent = True
    url = evolve(orders_database.url(), hosts=(Host(HOST, proxy.port),), connect_timeout=1)
    assert failure(lambda: check(url)).reason is Reason.TIMEOUT


def test_the_connect_timeout_does_not_limit_answers(orders_database: OrdersDatabase) -> None:
    url = evolve(orders_database.url(), connect_timeout=5)
    with closing(connect(url, Limits(statement=None, socket=60))) as connection:
        assert connection.run("SELECT true FROM pg_sleep(5.2)") == [[True]]


def test_a_port_without_a_server_is_unreachable(orders_database: OrdersDatabase) -> None:
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    error = failure(lambda: check(evolve(orders_database.url(), hosts=(Host(HOST, port),))))
    assert error.reason is Reason.UNREACHABLE
    assert f"{HOST}:{port}/{orders_database.name}: cannot connect" in str(error)


def test_a_host_name_that_does_not_exist_is_unreachable() -> None:
    url = DatabaseUrl.parse("postgresql://u@orders.invalid/d?sslmode=disable")
    assert failure(lambda: check(url)).reason is Reason.UNREACHABLE


def test_a_socket_that_does_not_exist_is_unreachable(tmp_path: Path) -> None:
    url = DatabaseUrl.parse(f"postgresql://u@/d?host={tmp_path}")
    assert failure(lambda: check(url)).reason is Reason.UNREACHABLE


@pytest.mark.parametrize(
    ("answer", "sslmode", "reason"),
    [
        (b"?\x00\x00\x00\x04", "disable", Reason.FAILED),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "disable", Reason.UNREACHABLE),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "require", Reason.TLS),
        (b"", "disable", Reason.UNREACHABLE),
        (b"", "require", Reason.UNREACHABLE),
        (b"S", "require", Reason.UNREACHABLE),
        (b"SSSSSSSSSSSSSSSS", "require", Reason.TLS),
        (b"R\x00\x00\x00\x08\x00\x00\x00\x07", "disable", Reason.UNREACHABLE),
    ],
)
def test_a_server_of_another_protocol_is_one_clear_error(
    answer: bytes,
    sslmode: str,
    reason: Reason,
) -> None:
    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.recv(1024)
            connection.sendall(answer)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1024):
                pass

    with socket.create_server((HOST, 0)) as listener:
        thread = Thread(target=serve, args=(listener,))
        thread.start()
        port = listener.getsockname()[1]
        url = DatabaseUrl.parse(
            f"postgresql://u@{HOST}:{port}/d?sslmode={sslmode}&connect_timeout=30"
        )
        assert failure(lambda: check(url)).reason is reason
        thread.join()


# What the server refuses


def test_a_wrong_password_is_refused_and_never_shown(orders_database: OrdersDatabase) -> None:
    url = evolve(orders_database.url(), password="wrong-password")  # noqa: S106 - as it says
    error = failure(lambda: check(url))
    assert error.reason is Reason.REFUSED
    assert "wrong-password" not in str(error)


def test_a_wrong_password_is_refused_on_a_socket_too(orders_database: OrdersDatabase) -> None:
    server = orders_database.server
    url = evolve(orders_database.url(), hosts=(Host(str(server.folder), server.port),))
    wrong = evolve(url, password="wrong")  # noqa: S106 - as it says
    assert failure(lambda: check(wrong)).reason is Reason.REFUSED
    check(url)


def test_a_missing_password_is_refused(orders_database: OrdersDatabase) -> None:
    url = evolve(orders_database.url(), password=None)
    assert failure(lambda: check(url)).reason is Reason.REFUSED


def test_the_password_file_is_read_again_for_each_connection(
    orders_database: OrdersDatabase,
    tmp_path: Path,
) -> None:
    file = tmp_path / "password"
    password = orders_database.url().password
    url = evolve(orders_database.url(), password=None, password_file=file)
    with closing(PostgresStore(url, max_age_seconds=0)) as store:
        error = failure(store.check)
        assert error.reason is Reason.REFUSED
        assert str(file) in str(error)
        file.write_text("wrong\n", "utf-8")
        assert failure(store.check).reason is Reason.REFUSED
        file.write_text(f"{password}\n", "utf-8")
        store.check()
        file.write_bytes(b"\xff")
        assert "line 1: is not UTF-8" in str(failure(store.check))


def test_a_missing_database_is_refused(orders_database: OrdersDatabase) -> None:
    url = evolve(orders_database.url(), database="nowhere")
    error = failure(lambda: check(url))
    assert error.reason is Reason.REFUSED
    assert "3D000" in str(error)


def test_a_role_without_privileges_is_refused(orders_database: OrdersDatabase) -> None:
    orders_database.run(f"REVOKE SELECT ON orders FROM {SERVICE}")  # noqa: S608 - no value
    assert failure(lambda: check(orders_database.url())).reason is Reason.REFUSED


def test_too_many_connections_are_exhaustion(orders_database: OrdersDatabase) -> None:
    # Run in another database: a session of this one would count until it has ended.
    orders_database.server.run(f"ALTER DATABASE {orders_database.name} CONNECTION LIMIT 1")
    with closing(connect(orders_database.url())):
        error = failure(lambda: check(orders_database.url()))
    assert error.reason is Reason.EXHAUSTED
    assert "53300" in str(error)


def test_a_database_that_refuses_writes_is_read_only_and_its_connections_are_closed(
    orders_database: OrdersDatabase,
    postgres_store: PostgresStore,
) -> None:
    name = orders_database.name
    postgres = orders_database.server
    postgres.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert failure(lambda: postgres_store.add(ORDERS)).reason is Reason.READ_ONLY
    assert postgres_store.get([OrderId("A")]) == [None]
    postgres.run(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    # A connection that stayed open would still refuse.
    failure(lambda: postgres_store.add(ORDERS))
    assert postgres_store.add(ORDERS) == (Outcome.CREATED, Outcome.CREATED)


@pytest.mark.parametrize("atomic", [False, True])
def test_an_order_that_another_session_is_storing_is_waited_for_one_second(
    orders_database: OrdersDatabase,
    store_that_waits: PostgresStore,
    *,
    atomic: bool,
) -> None:
    with closing(orders_database.server.connect(orders_database.name)) as other:
        other.run("BEGIN")
        other.run("INSERT INTO orders VALUES ('A', 1)")
        error = failure(lambda: store_that_waits.add(ORDERS, atomic=atomic))
        assert error.reason is Reason.TIMEOUT
        assert "55P03" in str(error)
        other.run("ROLLBACK")
    before = orders_database.sessions()
    assert store_that_waits.add(ORDERS, atomic=atomic) == (
        Outcome.CREATED,
        Outcome.CREATED,
    )
    assert orders_database.sessions() == before


def test_a_statement_that_takes_too_long_is_a_timeout_and_keeps_its_connection(
    orders_database: OrdersDatabase,
    store_that_waits: PostgresStore,
) -> None:
    orders_database.run(
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_sleep(30); RETURN NEW; END $$; "
        "CREATE TRIGGER dawdle BEFORE INSERT ON orders FOR EACH ROW "
        "WHEN (NEW.id = 'A') EXECUTE FUNCTION dawdle()",
    )
    store_that_waits.check()
    before = orders_database.sessions()
    error = failure(lambda: store_that_waits.add(ORDERS))
    assert error.reason is Reason.TIMEOUT
    assert "57014" in str(error)
    store_that_waits.check()
    assert orders_database.sessions() == before


@pytest.mark.parametrize("code", ["40001", "40P01"])
@pytest.mark.parametrize("atomic", [False, True])
def test_a_transient_failure_is_retried_once(
    orders_database: OrdersDatabase,
    postgres_store: PostgresStore,
    code: str,
    *,
    atomic: bool,
) -> None:
    fail_next_inserts(orders_database, 1, code)
    assert postgres_store.add(ORDERS, atomic=atomic) == (Outcome.CREATED, Outcome.CREATED)


def test_a_lasting_transient_failure_is_reported(
    orders_database: OrdersDatabase,
    postgres_store: PostgresStore,
) -> None:
    fail_next_inserts(orders_database, 2, "40001")
    error = failure(lambda: postgres_store.add(ORDERS))
    assert error.reason is Reason.FAILED
    assert "40001" in str(error)
    assert postgres_store.add(ORDERS) == (Outcome.CREATED, Outcome.CREATED)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("08006", Reason.UNREACHABLE),
        ("53100", Reason.EXHAUSTED),
        ("53200", Reason.EXHAUSTED),
        ("57P01", Reason.UNREACHABLE),
        ("XX000", Reason.FAILED),
    ],
)
@pytest.mark.parametrize("atomic", [False, True])
def test_each_sqlstate_has_its_reason(
    orders_database: OrdersDatabase,
    postgres_store: PostgresStore,
    code: str,
    reason: Reason,
    *,
    atomic: bool,
) -> None:
    fail_next_inserts(orders_database, 2, code)
    error = failure(lambda: postgres_store.add(ORDERS, atomic=atomic))
    if reason is not Reason.UNREACHABLE:
        failure(lambda: postgres_store.add(ORDERS, atomic=atomic))
    assert error.reason is reason
    assert f"(SQLSTATE {code})" in str(error)
    assert orders_database.run("SELECT * FROM orders") == ()
    assert postgres_store.add(ORDERS, atomic=atomic) == (Outcome.CREATED, Outcome.CREATED)


def fail_next_inserts(database: OrdersDatabase, number: int, code: str) -> None:
    """Let this many inserts fail with this SQLSTATE."""
    # A sequence keeps its count when the statement is rolled back.
    database.run(
        "CREATE SEQUENCE attempts; GRANT USAGE ON attempts TO PUBLIC; "
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF nextval('attempts') <= {number} THEN "
        f"RAISE EXCEPTION 'refused' USING ERRCODE = '{code}'; END IF; RETURN NULL; END $$; "
        "CREATE TRIGGER refuse BEFORE INSERT ON orders EXECUTE FUNCTION refuse()",
    )


def test_an_order_that_the_database_drops_silently_is_never_acknowledged(
    orders_database: OrdersDatabase,
    postgres_store: PostgresStore,
) -> None:
    orders_database.run(
        "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RETURN NULL; END $$; "
        "CREATE TRIGGER lose BEFORE INSERT ON orders FOR EACH ROW "
        "WHEN (NEW.id = 'B') EXECUTE FUNCTION lose()",
    )
    for atomic in (False, True):
        error = failure(lambda: postgres_store.add(ORDERS, atomic=atomic))  # noqa: B023 - at once
        assert error.reason is Reason.FAILED
        assert "neither stored nor found" in str(error)


# The server closes connections


def test_a_connection_that_the_server_closed_while_idle_causes_no_error(
    orders_database: OrdersDatabase,
    postgres_store: PostgresStore,
) -> None:
    postgres_store.add(ORDERS)
    orders_database.end_sessions()
    assert postgres_store.get([OrderId("A")]) == [ORDERS[0]]
