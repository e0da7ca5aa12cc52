"""Nothing is lost, duplicated or made up whatever happens to the database server."""

import pytest

from tests.faults.server import SERVER_FAULTS
from tests.faults.stage import Fault, endure, open_stage
from tests.postgres_server import PostgresServer


@pytest.mark.parametrize("fault", SERVER_FAULTS)
def test_every_acknowledged_order_is_stored_once_whatever_happens_to_the_server(
    own_server: PostgresServer,
    fault: Fault,
) -> None:
    with open_stage(own_server) as stage:
        endure(stage, fault)
