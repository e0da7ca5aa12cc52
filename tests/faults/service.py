"""Faults of the service itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from tests.faults.stage import Fault, Stage
from tests.postgres_server import wait_until
from tests.service_process import RunningService


def process_kills(random: Random) -> Fault:
    """Kill one process of the service: a worker, or the one for probes and metrics."""

    @contextmanager
    def process_killed(stage: Stage) -> Iterator[None]:
        stage.service.kill_child(random.choice(sorted(stage.service.children)))
        yield

    return process_killed


@contextmanager
def terminated(stage: Stage) -> Iterator[None]:
    """Stop the service as a service manager does, and start it again."""
    stage.service.stop()
    # Every accepted request was answered, so everything stored was acknowledged.
    stored = dict(stage.database.orders())
    wait_until(lambda: stored == stage.traffic.acknowledged)
    _start_again(stage.service)
    yield


@contextmanager
def killed(stage: Stage) -> Iterator[None]:
    """Kill every process of the service, as a power cut would, and start it again."""
    stage.service.kill()
    stage.traffic.wait_for_interruptions()
    _start_again(stage.service)
    yield


def _start_again(service: RunningService) -> None:
    service.start(port=service.port, operations_port=service.operations_port)
