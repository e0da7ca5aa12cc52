"""Nothing is lost, duplicated or made up by random faults, one after another."""

import logging
import os
from random import Random, SystemRandom
from typing import Final

from tests.faults.footprint import Footprint, assert_not_grown
from tests.faults.network import NETWORK_FAULTS
from tests.faults.server import SERVER_FAULTS
from tests.faults.service import killed, process_kills, terminated
from tests.faults.stage import open_stage, strike
from tests.faults.traffic import ORDERS
from tests.postgres_server import PostgresServer

SEED: Final = int(os.environ.get("FAULT_SEED", SystemRandom().randrange(1_000_000)))
"""Chooses the faults; to reproduce a failure, set the seed that it printed."""

_LOG: Final = logging.getLogger(__name__)


def test_every_acknowledged_order_is_stored_once_under_random_faults(
    own_server: PostgresServer,
) -> None:
    _LOG.info("FAULT_SEED=%d", SEED)
    random = Random(SEED)  # noqa: S311 - examples, not secrets
    faults = (*NETWORK_FAULTS, *SERVER_FAULTS, process_kills(random), killed, terminated)
    with open_stage(own_server) as stage:
        stage.traffic.wait_for_orders()
        before = Footprint.of(stage.service)
        while len(stage.traffic.acknowledged) < ORDERS:
            strike(stage, random.choice(faults))
            stage.traffic.wait_for_orders(random.randrange(200))
        assert_not_grown(stage.service, before)
