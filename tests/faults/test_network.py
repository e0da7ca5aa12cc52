"""Nothing is lost, duplicated or made up whatever the network to the database does."""

import pytest

from tests.faults.network import NETWORK_FAULTS
from tests.faults.stage import Fault, endure, open_stage
from tests.postgres_server import PostgresServer


@pytest.mark.parametrize("fault", NETWORK_FAULTS)
def test_every_acknowledged_order_is_stored_once_whatever_the_network_does(
    own_server: PostgresServer,
    fault: Fault,
) -> None:
    with open_stage(own_server) as stage:
        endure(stage, fault)
