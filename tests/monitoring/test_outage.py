"""From a database that stops to somebody who is told, and back, with nothing in between left out.

Every window is a thirtieth of what it is in operation: an alert that waits for a minute waits for
two seconds here.
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
# The service looks at its database every five seconds; all else is a matter of seconds.
PATIENCE_SECONDS = 90.0
_LOG = logging.getLogger(__name__)


def test_who_is_on_call_is_told_that_the_database_is_away_and_that_it_is_back(
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

        def told(status: str) -> bool:
            return all(pager.summaries(name, status) for name in alerts)

        wait_until(lambda: watcher.query("orders_store_up == 1") != [], PATIENCE_SECONDS)
        # Until the first scrape the service is down, as far as anybody knows.
        calm = {*alerts, "OrdersDown"}
        wait_until(lambda: not watcher.firing() & calm, PATIENCE_SECONDS)
        own_server.stop()
        stopped = monotonic()
        try:
            wait_until(lambda: told("firing"), PATIENCE_SECONDS)
            _LOG.info("told after %.1f s", monotonic() - stopped)
        finally:
            own_server.start()
        started = monotonic()
        wait_until(lambda: told("resolved"), PATIENCE_SECONDS)
        _LOG.info("told that it is over after %.1f s", monotonic() - started)
        wait_until(lambda: not watcher.firing() & calm, PATIENCE_SECONDS)
        instance = f"{service.host}:{service.operations_port}"
        assert pager.summaries("OrdersDatabaseAway", "firing")[0] == (
            f"{instance} cannot reach its database"
        )
