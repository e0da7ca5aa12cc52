"""libpq's rarer parameters work as they do in libpq."""

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from attrs import evolve

from orders_core import Order, Reason, StoreUnavailable
from orders_postgres import PostgresStore
from orders_postgres.open_connection import connect
from orders_postgres.parameters import PARAMETERS, ChannelBinding
from tests.postgres.secure_server import Client, SecureServer, open_secure_server
from tests.postgres_server import OWNER, PASSWORD, OrdersDatabase

OPTIONS = (
    socket.TCP_KEEPIDLE,
    socket.TCP_KEEPINTVL,
    socket.TCP_KEEPCNT,
    socket.TCP_USER_TIMEOUT,
)


DOCUMENTATION = Path(__file__).parents[2] / "docs/postgresql.md"
# The page names the parts of the URL by these words.
PARTS = {
    "host": "HOST",
    "port": "PORT",
    "dbname": "DATABASE",
    "user": "USER",
    "password": "password",
}


def test_every_parameter_is_documented() -> None:
    page = DOCUMENTATION.read_text("utf-8")
    assert [name for name in PARAMETERS if PARTS.get(name, f"`{name}`") not in page] == []


@pytest.fixture(scope="module")
def secure_server() -> Iterator[SecureServer]:
    with open_secure_server() as server:
        yield server


@pytest.fixture
def client(secure_server: SecureServer, tmp_path: Path) -> Client:
    client = Client(secure_server, tmp_path)
    client.prepare()
    return client


@pytest.mark.parametrize(
    ("wanted", "mechanism"),
    [
        (ChannelBinding.DISABLE, "SCRAM-SHA-256"),
        (ChannelBinding.PREFER, "SCRAM-SHA-256-PLUS"),
        (ChannelBinding.REQUIRE, "SCRAM-SHA-256-PLUS"),
    ],
)
def test_a_password_login_uses_the_wanted_channel_binding(
    client: Client,
    wanted: ChannelBinding,
    mechanism: str,
) -> None:
    url = evolve(client.url(user=OWNER), password=PASSWORD, channel_binding=wanted)
    with closing(connect(url)) as connection:
        assert connection.run("SELECT current_user") == [[OWNER]]
        assert connection._session.auth.mechanism_name == mechanism  # noqa: SLF001 - the only source


def test_a_login_without_channel_binding_is_aborted_if_binding_is_required(client: Client) -> None:
    url = client.url(channel_binding="require")
    with pytest.raises(StoreUnavailable) as caught:
        connect(url)
    assert caught.value.reason is Reason.REFUSED
    assert "channel_binding=require" in str(caught.value)


@pytest.mark.parametrize(
    ("parameter", "version"),
    [("ssl_max_protocol_version", "TLSv1.2"), ("ssl_min_protocol_version", "TLSv1.3")],
)
def test_the_version_of_tls_is_bounded(client: Client, parameter: str, version: str) -> None:
    with closing(connect(client.url(**{parameter: version}))) as connection:
        rows = connection.run("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    assert rows == [[version]]


@pytest.mark.parametrize("probes", [None, (11, 7, 3, 9000)])
def test_a_silent_connection_is_probed_as_the_url_says(
    orders_database: OrdersDatabase,
    probes: tuple[int, int, int, int] | None,
) -> None:
    url = orders_database.url()
    if probes is not None:
        idle, interval, count, user_timeout = probes
        url = evolve(
            url,
            keepalives_idle=idle,
            keepalives_interval=interval,
            keepalives_count=count,
            tcp_user_timeout=user_timeout,
        )
    with (
        closing(connect(url)) as connection,
        socket.socket(fileno=os.dup(connection.fileno())) as transport,
    ):
        assert transport.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        found = tuple(transport.getsockopt(socket.IPPROTO_TCP, option) for option in OPTIONS)
    assert probes is None or found == probes


def test_a_silent_connection_need_not_be_probed(orders_database: OrdersDatabase) -> None:
    url = evolve(orders_database.url(), keepalives=False)
    with (
        closing(connect(url)) as connection,
        socket.socket(fileno=os.dup(connection.fileno())) as transport,
    ):
        assert transport.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0


def test_options_apply_except_where_they_would_endanger_orders(
    orders_database: OrdersDatabase,
) -> None:
    options = "-c geqo=off -c synchronous_commit=off --statement_timeout=0"
    with closing(connect(evolve(orders_database.url(), options=options))) as connection:
        ((geqo, commit, limit),) = connection.run(
            "SELECT current_setting('geqo'), current_setting('synchronous_commit'), "
            "current_setting('statement_timeout')"
        )
    assert (geqo, commit, limit) == ("off", "on", "2s")


def test_options_that_make_the_session_read_only_are_reported(
    orders_database: OrdersDatabase,
) -> None:
    url = evolve(orders_database.url(), options="-c default_transaction_read_only=on")
    with closing(PostgresStore(url)) as store:
        for work in (store.check, lambda: store.add([Order("A", 1)])):
            with pytest.raises(StoreUnavailable) as caught:
                work()
            assert caught.value.reason is Reason.READ_ONLY


def test_a_byte_order_mark_in_the_password_file_is_reported_without_the_password(
    orders_database: OrdersDatabase,
    tmp_path: Path,
) -> None:
    file = tmp_path / "password"
    file.write_text(PASSWORD, "utf-8-sig")
    url = evolve(orders_database.url(), password=None, password_file=file)
    with pytest.raises(StoreUnavailable) as caught:
        connect(url)
    assert caught.value.reason is Reason.REFUSED
    assert str(file) in str(caught.value)
    assert "byte order mark (U+FEFF)" in str(caught.value)
    assert PASSWORD not in str(caught.value)
