"""What a fault hits: a service, its database, and the network between them."""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Final

from attrs import frozen

from tests.faults.footprint import Footprint, assert_not_grown
from tests.faults.traffic import ORDERS, Traffic, traffic
from tests.postgres.proxy import Proxy, open_proxy
from tests.postgres_server import OrdersDatabase, PostgresServer, free_port, wait_until
from tests.service_process import RunningService, running_service

_LOG: Final = logging.getLogger(__name__)


@frozen
class Stage:
    """A service under load, whose connections to its database go through a proxy."""

    database: OrdersDatabase
    proxy: Proxy
    service: RunningService
    traffic: Traffic[RunningService]


Fault = Callable[[Stage], AbstractContextManager[None]]
"""Causes a fault and waits until it shows; repairs it at the end of the block."""


@contextmanager
def loaded(url: str, database: OrdersDatabase) -> Iterator[Traffic[RunningService]]:
    """Put a service under load; at the end prove that nothing was lost.

    Args:
        url: The service's database URL.
        database: The database that holds the orders at the end.
    """
    # Fixed ports, so that clients find it after a restart.
    with running_service(url, port=free_port(), operations_port=free_port()) as service:
        with traffic(service) as clients:
            yield clients
        clients.assert_kept(database.orders())


@contextmanager
def open_stage(server: PostgresServer) -> Iterator[Stage]:
    """Put a service under load on a new database; at the end prove that nothing was lost."""
    database = server.new_database()
    with open_proxy(server.port) as proxy:
        url = server.url_text(database.name, connect_timeout="2")
        proxied = url.replace(f":{server.port}/", f":{proxy.port}/")
        with loaded(proxied, database) as clients:
            yield Stage(database, proxy, clients.service, clients)


def wait_until_not_ready(service: RunningService, reason: str) -> None:
    """Wait until a service reports that it is not ready, and why; prove that it is alive."""
    wait_until(lambda: reason in _probed(service, "/readyz", 503))
    assert _probed(service, "/livez", 200)


def _probed(service: RunningService, path: str, status: int) -> str:
    """Return a probe's answer if it has this status, else nothing."""
    with closing(service.connect_operations()) as probe:
        probe.request("GET", path)
        response = probe.getresponse()
        content = response.read().decode()
    return content if response.status == status else ""


def endure(stage: Stage, fault: Fault) -> None:
    """Cause and repair a fault, again and again, until enough orders are acknowledged."""
    stage.traffic.wait_for_orders()
    before = Footprint.of(stage.service)
    while len(stage.traffic.acknowledged) < ORDERS:
        strike(stage, fault)
        stage.traffic.wait_for_orders()
    assert_not_grown(stage.service, before)


def strike(stage: Stage, fault: Fault) -> None:
    """Cause and repair a fault once, and prove that the service recovers in time."""
    _LOG.info("%s", getattr(fault, "__name__", fault))
    with fault(stage):
        pass
    stage.traffic.wait_for_recovery()
