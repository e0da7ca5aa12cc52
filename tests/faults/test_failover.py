"""Nothing is lost, duplicated or made up when the database fails over to its standby."""

from tests.faults.stage import loaded
from tests.faults.traffic import ORDERS
from tests.postgres_server import HOST, OrdersDatabase, PostgresServer, open_server, open_standby


def several(servers: tuple[PostgresServer, ...], database: str) -> str:
    """Return the URL that finds whichever server accepts writes."""
    first = servers[0]
    hosts = ",".join(f"{HOST}:{server.port}" for server in servers)
    url = first.url_text(database, connect_timeout="2", target_session_attrs="read-write")
    return url.replace(f"{HOST}:{first.port}/", f"{hosts}/")


def test_every_acknowledged_order_is_stored_once_after_a_failover() -> None:
    # A commit waits for the standby; otherwise a failover may lose acknowledged orders.
    with open_server() as primary, open_standby(primary) as standby:
        database = primary.new_database()
        promoted = OrdersDatabase(standby, database.name)
        with loaded(several((primary, standby), database.name), promoted) as clients:
            clients.wait_for_orders(ORDERS // 2)
            primary.kill()
            clients.wait_for_refusals()
            standby.promote()
            clients.wait_for_recovery()
            clients.wait_for_orders(ORDERS // 2)
