"""Nothing is lost, doubled or made up when the service itself ends, well or not."""

from random import Random

import pytest

from tests.faults.service import process_kills, terminated
from tests.faults.stage import Fault, endure, open_stage
from tests.postgres_server import PostgresServer

RANDOM = Random(1)  # noqa: S311 - an example, not a secret


@pytest.mark.parametrize("fault", [process_kills(RANDOM), terminated])
def test_every_acknowledged_order_is_there_once_whatever_happens_to_the_service(
    own_server: PostgresServer,
    fault: Fault,
) -> None:
    with open_stage(own_server) as stage:
        endure(stage, fault)
