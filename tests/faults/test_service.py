"""Nothing is lost, duplicated or made up when the service stops or is killed."""

import signal
from random import Random

import pytest

from tests.faults.service import killed, process_kills, terminated
from tests.faults.stage import Fault, endure, open_stage
from tests.faults.traffic import ORDERS
from tests.postgres_server import PostgresServer, wait_until

RANDOM = Random(1)  # noqa: S311 - an example, not a secret


@pytest.mark.parametrize("fault", [process_kills(RANDOM), killed, terminated])
def test_every_acknowledged_order_is_stored_once_whatever_happens_to_the_service(
    own_server: PostgresServer,
    fault: Fault,
) -> None:
    with open_stage(own_server) as stage:
        endure(stage, fault)


def test_a_hangup_signal_under_load_renews_every_connection_and_fails_no_request(
    own_server: PostgresServer,
) -> None:
    with open_stage(own_server) as stage:
        while len(stage.traffic.acknowledged) < ORDERS:
            stage.traffic.wait_for_orders(50)
            before = set(stage.database.sessions())
            assert before
            stage.service.send_signal(signal.SIGHUP)
            wait_until(lambda: before.isdisjoint(stage.database.sessions()))  # noqa: B023 - at once
        stage.traffic.assert_all_answered()
