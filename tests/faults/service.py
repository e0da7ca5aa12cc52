"""Faults of the service itself."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from tests.faults.footprint import children
from tests.faults.stage import Fault, Stage
from tests.postgres_server import wait_until
from tests.service_process import RunningService


def process_kills(random: Random) -> Fault:
    """Kill a process of the service: one that its first process began, if it began any."""

    @contextmanager
    def process_killed(stage: Stage) -> Iterator[None]:
        service = stage.service
        if begun := children(service):
            victim = random.choice(begun)
            os.kill(victim, signal.SIGKILL)
            # Another takes its place.
            wait_until(lambda: victim not in children(service))
            wait_until(lambda: len(children(service)) == len(begun))
        else:
            service.kill()
            stage.traffic.wait_for_interruptions()
            _start_again(service)
        yield

    return process_killed


@contextmanager
def terminated(stage: Stage) -> Iterator[None]:
    """Stop the service as a service manager does, and start it again."""
    stage.service.stop()
    # Whatever was accepted was answered: what was stored was told.
    stored = dict(stage.database.orders())
    wait_until(lambda: stored == stage.traffic.acknowledged)
    _start_again(stage.service)
    yield


def _start_again(service: RunningService) -> None:
    service.start(port=service.port, operations_port=service.operations_port)
