"""A database that accepts no orders shows in `/readyz`, the metrics and the check."""

import json
from contextlib import closing

import pytest

from orders_cli.exits import Exit
from tests.cli.command import Orders
from tests.pgbouncer import PoolMode, open_pooler
from tests.postgres_server import SERVICE, OrdersDatabase, PostgresServer, wait_until
from tests.prometheus.exposition import samples
from tests.service_process import RunningService, running_service


def asked(service: RunningService, path: str) -> tuple[int, str]:
    with closing(service.connect_operations()) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()


def is_up(service: RunningService) -> float:
    return samples(asked(service, "/metrics")[1], "orders_store_up")[()]


def post(service: RunningService, order_id: str) -> int:
    with closing(service.connect()) as connection:
        body = json.dumps({"id": order_id, "amount": 1})
        connection.request("POST", "/orders", body, {"Content-Type": "application/json"})
        return connection.getresponse().status


@pytest.mark.parametrize("through", ["server", "role", "right"])
def test_a_database_that_stops_accepting_orders_is_reported_everywhere(
    orders: Orders,
    own_server: PostgresServer,
    through: str,
) -> None:
    database = own_server.new_database()
    role = f"ALTER ROLE {SERVICE} IN DATABASE {database.name}"
    spoil, mend, reason = {
        "server": (
            "ALTER SYSTEM SET default_transaction_read_only = on",
            "ALTER SYSTEM RESET default_transaction_read_only",
            "read-only",
        ),
        "role": (
            f"{role} SET default_transaction_read_only = on",
            f"{role} RESET default_transaction_read_only",
            "read-only",
        ),
        "right": (
            f"REVOKE INSERT ON orders FROM {SERVICE}",
            f"GRANT INSERT ON orders TO {SERVICE}",
            "refused",
        ),
    }[through]
    url = own_server.url_text(database.name)

    def run(statement: str) -> None:
        target = own_server if "SYSTEM" in statement else database
        target.run(statement)
        own_server.reload()

    with running_service(url) as service:
        wait_until(lambda: asked(service, "/readyz")[0] == 200 and is_up(service) == 1)
        assert post(service, "before") == 201
        run(spoil)
        wait_until(lambda: asked(service, "/readyz")[0] == 503 and is_up(service) == 0)
        assert f"store: {reason}: " in asked(service, "/readyz")[1]
        ended = orders("check", DATABASE_URL=url)
        assert ended.status == Exit.UNAVAILABLE
        assert "refuses writes" in ended.err or "may not add orders" in ended.err
        run(mend)
        wait_until(lambda: asked(service, "/readyz")[0] == 200 and is_up(service) == 1)
        assert post(service, "after") == 201


def test_the_check_reports_lossy_settings_and_poolers(
    orders: Orders,
    postgres_server: PostgresServer,
    orders_database: OrdersDatabase,
) -> None:
    orders_database.run(
        f"ALTER ROLE {SERVICE} IN DATABASE {orders_database.name} SET synchronous_commit = off"
    )
    url = postgres_server.url_text(orders_database.name)
    ended = orders("check", DATABASE_URL=url)
    assert (ended.status, ended.err) == (Exit.DONE, "")
    assert "# the server's own synchronous_commit is off, which can lose" in ended.out
    with open_pooler(postgres_server, PoolMode.TRANSACTION) as pooler:
        ended = orders("check", DATABASE_URL=pooler.text_before(url, postgres_server))
    assert (ended.status, ended.err) == (Exit.DONE, "")
    assert "# the server's own synchronous_commit is off, which can lose" in ended.out
    assert "# a pooler answers: " in ended.out
