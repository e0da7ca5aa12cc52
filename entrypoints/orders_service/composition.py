"""The composition root: builds a service from its configuration, and runs it.

A service is a parent, workers that serve the orders and the page, and one process for probes and
metrics.
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
from orders_http.api.routes import ENDPOINTS, METHODS, NO_ROUTE, PATHS, STATUSES
from orders_http.server.gathering import GatheringServer
from orders_http.server.limits import Limits
from orders_http.server.listening_sockets import url_of
from orders_http.server.operations_server import OperationsServer
from orders_http.server.scoreboard import Scoreboard
from orders_http.server.self_check import SELF_CHECK_SECONDS, SelfCheck
from orders_prometheus import MeasuredStore, Metrics, RequestLabels, SharedMetrics
from orders_service.configuration.settings import Config, InvalidConfig
from orders_service.database_watch import Watch
from orders_service.open_files import allow_open_files
from orders_service.outages import OutageLog
from orders_service.repeating import repeating
from orders_service.sockets import close_all, listening_sockets
from orders_service.supervisor import HandleSignals, ProcessSpec, Supervisor
from orders_service.systemd import OPERATIONS, Notifier
from orders_tokens import InvalidTokens, TokenFile

__all__ = ["Service", "SharedMetrics", "Started", "build_service", "serve", "tokens_of"]

REQUEST_LABELS: Final = RequestLabels(
    routes=(*PATHS, NO_ROUTE),
    methods=METHODS,
    statuses=tuple(each.value for each in STATUSES),
    monitored=[(each.path, each.method, each.success.value) for each in ENDPOINTS if each.success],
)
"""The labels of requests in the metrics: the application's own endpoints."""

_LOG: Final = logging.getLogger(__name__)
_T = TypeVar("_T")


@frozen
class Service:
    """The parts of one process of a running service.

    Attributes:
        store: The store, measured.
        metrics: The metrics of this process.
        tokens: The tokens that clients need; None if they need none.
    """

    store: OrderStore
    metrics: Metrics
    tokens: TokenFile | None = None

    def watch(self, database: Database) -> Watch:
        """Make the regular check of the database; one process of the service runs it."""
        return Watch(self.store, database, self.metrics)

    def renew(self) -> None:
        """Read certificates, passwords and tokens again."""
        self.store.renew()
        if self.tokens is not None:
            self.tokens.reload()

    def close(self) -> None:
        """Close every connection and file."""
        self.store.close()


def build_service(config: Config, metrics: Metrics, tokens: TokenFile | None = None) -> Service:
    """Build the parts for one process. Nothing is opened or connected yet.

    Args:
        config: The checked configuration.
        metrics: The metrics of the process, from `SharedMetrics.of`.
        tokens: The tokens that clients need, if any.
    """
    return Service(MeasuredStore(config.database.open(), metrics, OutageLog()), metrics, tokens)


def tokens_of(config: Config, read: Callable[[Path], _T]) -> _T | None:
    """Read the configured token file; None if clients need no token.

    Args:
        config: Names the file.
        read: Reads it, such as `read_tokens` or `TokenFile`.

    Raises:
        InvalidConfig: The file cannot be used; each problem names the setting that names the file.
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
    """Where a service that has started is.

    Attributes:
        orders: The URL of the orders and the page.
        operations: The URL of probes and metrics.
        database: The URL of the database, without secrets.
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
        Whether every process could finish: no second signal cut it short.

    Raises:
        StoreUnavailable: The database has another schema than this release needs. An
            unreachable database does not prevent the start: the service answers 503 until it
            returns.
        OSError: An address cannot be listened on.
        InvalidConfig: The token file cannot be used, other machines can connect without a token,
            or the limit of open files is too low.
    """
    tokens = tokens_of(config, TokenFile)
    config = _with_database_checked(config)
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
        metrics=SharedMetrics(config.worker_count + 2, REQUEST_LABELS),
        tokens=tokens,
    ).run(started)


def _with_database_checked(config: Config) -> Config:
    """Refuse to start on a schema that does not fit, and pin the database for all processes.

    A process may open it long after the start, when another file may have taken its place.
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
    """The processes of a service, and what they share.

    Attributes:
        config: The configuration.
        limits: The limits of each worker.
        orders_sockets: The listening sockets of the orders and the page.
        operations_sockets: The listening sockets of probes and metrics.
        workers: The state that the workers share.
        operations: The same for the process for probes and metrics, which is alone.
        metrics: The metrics of the workers, the operations process and the parent.
        tokens: The tokens that clients need, as the parent last read them.
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
        """Run the processes until a signal ends the service; see `serve`."""
        count = self.workers.slots
        metrics = self.metrics.of(count + 1, "parent")
        workers = [self._worker(number) for number in range(count)]
        names = [worker.name for worker in workers]

        def note_running(running: Collection[str]) -> None:
            if self.tokens is not None:
                # A worker that starts now inherits these, whatever has become of the file.
                self.tokens.refresh()
            metrics.workers_running(sum(name != OPERATIONS for name in running))

        def note_restart(name: str) -> None:
            if name != OPERATIONS:
                metrics.worker_restarted()
                self.workers.leave(names.index(name))

        return Supervisor(
            [workers, [self._operations()]],
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
        # Otherwise clients could still connect, and nothing would answer.
        close_all([*self.orders_sockets, *self.operations_sockets])

    def _worker(self, number: int) -> ProcessSpec:
        """Specify a process that serves the orders and the page."""
        return ProcessSpec(
            f"worker-{number}",
            run=lambda handle_signals: self._work(number, handle_signals),
            heartbeat=lambda: self.workers.last_heartbeat(number),
        )

    def _operations(self) -> ProcessSpec:
        """Specify the process for probes and metrics. Its heartbeat is its answer to itself."""
        return ProcessSpec(
            OPERATIONS,
            run=self._operate,
            heartbeat=lambda: self.operations.last_heartbeat(0),
        )

    def _work(self, number: int, handle_signals: HandleSignals) -> None:
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
            handle_signals(server.stop, lambda: server.call_soon(service.renew))
            server.run()

    def _operate(self, handle_signals: HandleSignals) -> None:
        close_all(self.orders_sockets)
        metrics = self.metrics.of(self.workers.slots, "operations")
        with closing(build_service(self.config, metrics)) as service:
            operations = Operations(
                service.store, lambda: self.workers.stopping, self.metrics.exposition
            )
            server = OperationsServer(operations, self.operations_sockets)
            handle_signals(server.stop, lambda: server.call_soon(service.renew))
            slot = self.operations.slot(0)
            self_check = SelfCheck(server.connect, lambda: slot.heartbeat(server.connections))
            with (
                service.watch(self.config.database).running(),
                repeating(self_check.run, SELF_CHECK_SECONDS, "self-check"),
            ):
                server.run()
