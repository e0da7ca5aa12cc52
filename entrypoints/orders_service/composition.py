"""The composition root: builds the parts of a service from its configuration, and runs them.

A service is a parent, workers that answer for the orders and the page, and one process for probes
and metrics.
"""

import logging
import os
import socket
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, TypeVar

from attrs import evolve, frozen

from orders_core import OrderStore, Reason, StoreUnavailable
from orders_core.database import Database
from orders_http.api.application import HttpSettings, create_app
from orders_http.api.hosts import HostRule
from orders_http.api.operations import Operations
from orders_http.server.gathering import GatheringServer
from orders_http.server.limits import Limits
from orders_http.server.listening import url_of
from orders_http.server.operations_server import OperationsServer
from orders_http.server.scoreboard import Scoreboard
from orders_http.server.self_request import ASK_SECONDS, SelfRequest
from orders_prometheus import MeasuredStore, Metrics, SharedMetrics
from orders_service.config import Config, InvalidConfig
from orders_service.open_files import allow_open_files
from orders_service.outages import OutageLog
from orders_service.repeating import repeating
from orders_service.sockets import close_all, listening_sockets
from orders_service.supervisor import Attend, Role, Supervisor
from orders_service.systemd import OPERATIONS, Notifier
from orders_service.watch import Watch
from orders_tokens import InvalidTokens, TokenFile

__all__ = ["Service", "SharedMetrics", "Started", "build_service", "serve", "tokens_of"]

_LOG: Final = logging.getLogger(__name__)
_T = TypeVar("_T")


@frozen
class Service:
    """The parts of one process of a running service.

    Attributes:
        store: Where the orders are kept, measured.
        metrics: What this process measures.
        tokens: The tokens that clients need; None when they need none.
    """

    store: OrderStore
    metrics: Metrics
    tokens: TokenFile | None = None

    def watch(self, database: Database) -> Watch:
        """Make the regular check of the database; one process of a service runs it."""
        return Watch(self.store, database, self.metrics)

    def renew(self) -> None:
        """Read certificates, passwords and tokens again, which may have changed."""
        self.store.renew()
        if self.tokens is not None:
            self.tokens.reload()

    def close(self) -> None:
        """Give back every connection and file."""
        self.store.close()


def build_service(config: Config, metrics: Metrics, tokens: TokenFile | None = None) -> Service:
    """Build the parts for one process; nothing is opened or connected yet.

    Args:
        config: The checked configuration.
        metrics: What the process writes, from `SharedMetrics.of`.
        tokens: The tokens that clients need, when they need any.
    """
    return Service(MeasuredStore(config.database.open(), metrics, OutageLog()), metrics, tokens)


def tokens_of(config: Config, read: Callable[[Path], _T]) -> _T | None:
    """Read the token file of a configuration; None when clients need no token.

    Args:
        config: Names the file.
        read: Reads it, such as `read_tokens` or `TokenFile`.

    Raises:
        InvalidConfig: The file cannot be used; each problem says which setting names it.
    """
    if config.tokens_file is None:
        return None
    try:
        return read(config.tokens_file)
    except InvalidTokens as error:
        source = config.sources["tokens_file"].description
        raise InvalidConfig(
            f"tokens_file ({source}): {problem}" for problem in error.problems
        ) from None


@frozen
class Started:
    """What a service tells when it has started.

    Attributes:
        orders: The URL of the orders and the page.
        operations: The URL of probes and metrics.
        database: Where the orders are kept, without secrets.
    """

    orders: str
    operations: str
    database: str


def serve(config: Config, started: Callable[[Started], None]) -> bool:
    """Serve until SIGTERM or SIGINT, then finish every request that was accepted.

    Args:
        config: The checked configuration.
        started: Called once, when every process works.

    Returns:
        Whether every process had its time to finish: no second signal cut it short.

    Raises:
        StoreUnavailable: The database has another schema than this release needs. An
            unreachable database does not prevent the start: the service answers 503 until it
            is back.
        OSError: An address cannot be listened on.
        InvalidConfig: The token file cannot be used; or other machines can connect, and nothing
            keeps them out; or the system limits the service too much.
    """
    tokens = tokens_of(config, TokenFile)
    config = _with_database_found(config)
    limits = Limits(idle_seconds=config.idle_seconds)
    allow_open_files(limits)
    orders_sockets, operations_sockets = listening_sockets(config)
    return _Processes(
        config,
        limits,
        orders_sockets,
        operations_sockets,
        workers=Scoreboard(config.worker_count),
        operations=Scoreboard(1),
        metrics=SharedMetrics(config.worker_count + 2),
        tokens=tokens,
    ).run(started)


def _with_database_found(config: Config) -> Config:
    """Refuse to start on a schema that does not fit, and say to all processes which file it is.

    One of them may open it long after the start, when another file has taken its place.
    """
    try:
        return evolve(config, database=config.database.checked())
    except StoreUnavailable as error:
        if error.reason is Reason.SCHEMA:
            raise
        _LOG.warning(
            "store unavailable at start", extra={"reason": error.reason.value}, exc_info=error
        )
        return config


@frozen
class _Processes:
    """The processes of a service, and what the parent makes for them to share.

    Attributes:
        config: The configuration.
        limits: The limits of each process.
        orders_sockets: The listening sockets of the orders and the page.
        operations_sockets: The listening sockets of probes and metrics.
        workers: What the workers know of each other.
        operations: The same of the process for probes and metrics, which is alone.
        metrics: What all of them measure: the workers, the operations, the parent.
        tokens: The tokens that clients need, as the parent read them last.
    """

    config: Config
    limits: Limits
    orders_sockets: Sequence[socket.socket]
    operations_sockets: Sequence[socket.socket]
    workers: Scoreboard
    operations: Scoreboard
    metrics: SharedMetrics
    tokens: TokenFile | None

    def run(self, started: Callable[[Started], None]) -> bool:
        """Run all of them until a signal ends the service; see `serve`."""
        count = self.workers.slots
        metrics = self.metrics.of(count + 1, "parent")
        worker_roles = [self._worker_role(number) for number in range(count)]
        names = [role.name for role in worker_roles]

        def note_running(running: Collection[str]) -> None:
            if self.tokens is not None:
                # A worker that is started now begins with these, whatever the file has become.
                self.tokens.refresh()
            metrics.workers_running(sum(name != OPERATIONS for name in running))

        def note_restart(name: str) -> None:
            if name != OPERATIONS:
                metrics.worker_restarted()
                self.workers.leave(names.index(name))

        return Supervisor(
            [worker_roles, [self._operations_role()]],
            drain_seconds=self.limits.drain_seconds + 2 * self.limits.drain_idle_seconds,
            notifier=Notifier.from_environment(os.environ, os.getpid()),
            ready=lambda: started(self._where()),
            stopping=self._stop,
            running=note_running,
            replaced=note_restart,
        ).run()

    def _where(self) -> Started:
        return Started(
            url_of(self.orders_sockets[0]),
            url_of(self.operations_sockets[0]),
            str(self.config.database),
        )

    def _stop(self) -> None:
        self.workers.stop()
        # Nobody shall connect to a socket on which no process answers any more.
        close_all([*self.orders_sockets, *self.operations_sockets])

    def _worker_role(self, number: int) -> Role:
        """Make the role of a process that answers for the orders and the page."""
        return Role(
            f"worker-{number}",
            run=lambda attend: self._work(number, attend),
            worked=lambda: self.workers.last_heartbeat(number),
        )

    def _operations_role(self) -> Role:
        """Make the role of the process for probes and metrics.

        It works as long as it answers itself.
        """
        return Role(
            OPERATIONS,
            run=self._operate,
            worked=lambda: self.operations.last_heartbeat(0),
        )

    def _work(self, number: int, attend: Attend) -> None:
        close_all(self.operations_sockets)
        config = self.config
        with closing(build_service(config, self.metrics.of(number), self.tokens)) as service:
            settings = HttpSettings(
                config.currency,
                HostRule(config.allowed_hosts),
                service.tokens,
                root=config.root,
                log_requests=config.log_requests,
            )
            app = create_app(service.store, settings, service.metrics)
            slot = self.workers.slot(number)
            server = GatheringServer(app, service.store, self.orders_sockets, slot, self.limits)
            attend(server.stop, lambda: server.call_soon(service.renew))
            server.run()

    def _operate(self, attend: Attend) -> None:
        close_all(self.orders_sockets)
        metrics = self.metrics.of(self.workers.slots, "operations")
        with closing(build_service(self.config, metrics)) as service:
            operations = Operations(
                service.store, lambda: self.workers.stopping, self.metrics.exposition
            )
            server = OperationsServer(operations, self.operations_sockets)
            attend(server.stop, lambda: server.call_soon(service.renew))
            slot = self.operations.slot(0)
            itself = SelfRequest(server.connect, lambda: slot.heartbeat(server.connections))
            with (
                service.watch(self.config.database).running(),
                repeating(itself.ask, ASK_SECONDS, "self-request"),
            ):
                server.run()
