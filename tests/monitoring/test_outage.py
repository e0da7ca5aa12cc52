"""An outage of the database, from the failure through Prometheus and Alertmanager to the pager.

All windows are shortened to a thirtieth: an alert that waits for a minute waits two seconds here.
"""

import logging
from pathlib import Path
from time import monotonic

from monitoring.files import rule_file
from tests.monitoring.load import load
from tests.monitoring.prometheus import alertmanager, notified, prometheus
from tests.postgres_server import PostgresServer, wait_until
from tests.service_process import running_service

FACTOR = 30
# The service checks its database every five seconds. Everything else takes seconds.
PATIENCE_SECONDS = 90.0
_LOG = logging.getLogger(__name__)


def test_the_pager_hears_of_an_outage_and_of_its_end(
    own_server: PostgresServer, tmp_path: Path
) -> None:
    database = own_server.new_database()
    url = own_server.url_text(database.name, connect_timeout="2")
    with (
        running_service(url, {"ORDERS_WORKERS": "2"}) as service,
        notified() as pager,
        alertmanager(tmp_path, pager) as manager,
        prometheus(
            tmp_path,
            rule_file(FACTOR),
            {"orders": [f"{service.host}:{service.operations_port}"]},
            manager,
        ) as watcher,
        load(service),
    ):
        alerts = ("OrdersDatabaseAway", "OrdersBreakerOpen", "OrdersAvailabilityBudgetBurn1h")

        def notified_of(status: str) -> bool:
            return all(pager.summaries(name, status) for name in alerts)

        wait_until(lambda: watcher.query("orders_store_up == 1") != [], PATIENCE_SECONDS)
        # Until the first scrape, OrdersDown fires.
        calm = {*alerts, "OrdersDown"}
        wait_until(lambda: not watcher.firing() & calm, PATIENCE_SECONDS)
        own_server.stop()
        stopped = monotonic()
        try:
            wait_until(lambda: notified_of("firing"), PATIENCE_SECONDS)
            _LOG.info("firing after %.1f s", monotonic() - stopped)
        finally:
            own_server.start()
        started = monotonic()
        wait_until(lambda: notified_of("resolved"), PATIENCE_SECONDS)
        _LOG.info("resolved after %.1f s", monotonic() - started)
        wait_until(lambda: not watcher.firing() & calm, PATIENCE_SECONDS)
        instance = f"{service.host}:{service.operations_port}"
        assert pager.summaries("OrdersDatabaseAway", "firing")[0] == (
            f"{instance} cannot reach its database"
        )
