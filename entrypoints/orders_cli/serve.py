"""`orders serve`: a parent, workers that answer, and a process for probes and metrics."""

import logging
import os
import resource
import socket
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import closing
from typing import Final

from attrs import evolve, frozen

from orders_cli.exits import Exit
from orders_cli.standard_error import is_read_by_a_person
from orders_core import Reason, StoreUnavailable
from orders_http.app import HttpSettings, create_app
from orders_http.gathering import GatheringServer
from orders_http.hosts import HostRule
from orders_http.listening import bind, listen, url_of
from orders_http.operations import Operations
from orders_http.operations_server import OperationsServer
from orders_http.roster import Roster
from orders_http.self_request import ASK_SECONDS, SelfRequest
from orders_http.server import DRAIN_SECONDS, FILES, IDLE_SECONDS, LEAST_FILES
from orders_service.composition import SharedMetrics, build_service
from orders_service.config import Address, Config, InvalidConfig, Listener
from orders_service.repeating import repeating
from orders_service.supervisor import Attend, Role, Supervisor
from orders_service.systemd import OPERATIONS, Notifier, inherited_sockets, knob_of_socket
from orders_service.tokens import TokenFile, tokens_of

_LOG: Final = logging.getLogger(__name__)


@frozen
class _Shared:
    """What the parent makes and its processes share.

    Attributes:
        config: The configuration.
        orders_sockets: Where the orders and the page are listened for.
        operations_sockets: Where probes and metrics are listened for.
        workers: What the workers know of each other.
        operations: The same of the process for probes and metrics, which is alone.
        metrics: What all of them measure: the workers, the operations, the parent.
        tokens: The tokens that clients must have, as the parent read them last.
    """

    config: Config
    orders_sockets: Sequence[socket.socket]
    operations_sockets: Sequence[socket.socket]
    workers: Roster
    operations: Roster
    metrics: SharedMetrics
    tokens: TokenFile | None

    def close(self) -> None:
        """Close this process's hold of the sockets."""
        _close([*self.orders_sockets, *self.operations_sockets])


def serve(config: Config) -> int:
    """Serve until SIGTERM or SIGINT, then finish every request that was accepted.

    Raises:
        StoreUnavailable: The database has not the schema that this release needs. One that
            cannot be reached is no reason to stop: the service answers 503 until it can.
        OSError: An address cannot be listened on.
        InvalidTokens: The token file cannot be used.
        InvalidConfig: Others than this machine can connect, and nothing keeps them out; or the
            system lets the service do too little.
    """
    tokens = tokens_of(config, TokenFile)
    config = _with_database_found(config)
    allow_open_files()
    orders_sockets, operations_sockets = _listening_sockets(config)
    workers = config.worker_count
    shared = _Shared(
        config,
        orders_sockets,
        operations_sockets,
        workers=Roster(workers),
        operations=Roster(1),
        metrics=SharedMetrics(workers + 2),
        tokens=tokens,
    )
    metrics = shared.metrics.of(workers + 1, "parent")

    def tell_where() -> None:
        orders, operations = url_of(orders_sockets[0]), url_of(operations_sockets[0])
        if is_read_by_a_person():
            print(
                f"Orders is at {orders} and keeps its orders in {config.database};\n"
                f"probes and metrics are at {operations}. Ctrl-C stops it.",
                flush=True,
            )
        else:
            where = {"orders": orders, "operations": operations, "database": str(config.database)}
            _LOG.info("serving", extra=where)

    def note_running(names: Collection[str]) -> None:
        if tokens is not None:
            # A worker that is started now begins with these, whatever the file has become.
            tokens.refresh()
        metrics.workers_running(sum(name != OPERATIONS for name in names))

    def note_restart(name: str) -> None:
        if name != OPERATIONS:
            metrics.worker_restarted()
            shared.workers.leave(names.index(name))

    def stop() -> None:
        shared.workers.stop()
        # Nobody shall connect to a socket on which no process answers any more.
        shared.close()

    worker_roles = _worker_roles(shared)
    names = [role.name for role in worker_roles]
    gently = Supervisor(
        [worker_roles, [_operations_role(shared)]],
        drain_seconds=DRAIN_SECONDS + 2 * IDLE_SECONDS,
        notifier=Notifier.from_environment(os.environ, os.getpid()),
        ready=tell_where,
        stopping=stop,
        running=note_running,
        replaced=note_restart,
    ).run()
    return Exit.DONE if gently else Exit.INTERRUPTED


def _with_database_found(config: Config) -> Config:
    """Refuse to start on a schema that does not fit, and say to all processes which file it is.

    One of them may open it long after the start, when another file has taken its place.
    """
    try:
        return evolve(config, database=config.database.found())
    except StoreUnavailable as error:
        if error.reason is Reason.SCHEMA:
            raise
        _LOG.warning(
            "store unavailable at start", extra={"reason": error.reason.value}, exc_info=error
        )
        return config


def allow_open_files() -> None:
    """Allow as many open files as there may be connections, as far as the system lets it.

    Raises:
        InvalidConfig: There may be so few that there would be none for clients.
    """
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if most == resource.RLIM_INFINITY else min(FILES, most)
    if files < wanted:
        files = wanted
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
    refuse_few_files(files)


def refuse_few_files(files: int) -> None:
    """Refuse a limit of open files that leaves none for clients.

    Raises:
        InvalidConfig: It does.
    """
    if files < LEAST_FILES:
        message = (
            f"each process may open {files} files, and needs {LEAST_FILES} to serve anyone, "
            f"{FILES} to serve as many as it can; raise the limit: ulimit -Hn {FILES} in a shell, "
            f"LimitNOFILE={FILES} in a unit of systemd, --ulimit nofile={FILES} for a container"
        )
        raise InvalidConfig([message])


def _listening_sockets(
    config: Config,
) -> tuple[Sequence[socket.socket], Sequence[socket.socket]]:
    """Take the sockets that the service manager opened, and open those that it did not."""
    inherited = dict(inherited_sockets(os.environ, os.getpid()))
    operations = inherited.pop(OPERATIONS, ())
    orders = [each for sockets in inherited.values() for each in sockets]
    # A service manager may have opened other addresses than the configuration has.
    config.refuse_unprotected(
        Listener(Address(*each.getsockname()[:2]), knob_of_socket(name))
        for name, sockets in inherited.items()
        for each in sockets
        # Only this machine reaches a Unix socket.
        if each.family != socket.AF_UNIX
    )
    opened = orders or _opened(listen, config.listen, config.knob("listen"))
    return opened, operations or _opened(listen, config.ops_listen, config.knob("ops_listen"))


def try_listening(address: Address, knob: str) -> None:
    """Find out whether an address can be listened on, without doing so.

    Raises:
        OSError: As when the service starts.
    """
    _close(_opened(bind, address, knob))


def _opened(
    open_sockets: Callable[[str, int], Sequence[socket.socket]],
    address: Address,
    knob: str,
) -> Sequence[socket.socket]:
    """Open an address, or say which cannot be had and how to choose another.

    Raises:
        OSError: The address is in use, not of this machine, or no address at all.
    """
    try:
        return open_sockets(address.host, address.port)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no name"
        message = f"cannot be listened on: {reason}; {knob} chooses another address"
        raise OSError(0, message, str(address)) from error


def _worker_roles(shared: _Shared) -> Sequence[Role]:
    """Make the roles of the processes that answer for the orders and the page."""

    def role(number: int) -> Role:
        return Role(
            f"worker-{number}",
            run=lambda attend: _work(shared, number, attend),
            worked=lambda: shared.workers.turned(number),
        )

    return [role(number) for number in range(shared.workers.places)]


def _operations_role(shared: _Shared) -> Role:
    """Make the role of the process that answers probes and the collector of metrics.

    It works as long as it answers itself.
    """
    return Role(
        OPERATIONS,
        run=lambda attend: _operate(shared, attend),
        worked=lambda: shared.operations.turned(0),
    )


def _work(shared: _Shared, number: int, attend: Attend) -> None:
    _close(shared.operations_sockets)
    config = shared.config
    with closing(build_service(config, shared.metrics.of(number), shared.tokens)) as service:
        settings = HttpSettings(
            config.currency,
            HostRule(config.allowed_hosts),
            service.tokens,
            root=config.root,
            log_requests=config.log_requests,
        )
        app = create_app(service.store, settings, service.metrics)
        place = shared.workers.place(number)
        server = GatheringServer(app, service.store, shared.orders_sockets, place)
        server.keep_idle(config.idle_seconds)
        attend(server.stop, lambda: server.soon(service.renew))
        server.run()


def _operate(shared: _Shared, attend: Attend) -> None:
    _close(shared.orders_sockets)
    metrics = shared.metrics.of(shared.workers.places, "operations")
    with closing(build_service(shared.config, metrics)) as service:
        operations = Operations(
            service.store, lambda: shared.workers.stopping, shared.metrics.exposition
        )
        server = OperationsServer(operations, shared.operations_sockets)
        attend(server.stop, lambda: server.soon(service.renew))
        place = shared.operations.place(0)
        itself = SelfRequest(server.connect, lambda: place.turned(server.connections))
        with (
            service.watch(shared.config.database).running(),
            repeating(itself.ask, ASK_SECONDS, "self-request"),
        ):
            server.run()


def _close(sockets: Iterable[socket.socket]) -> None:
    for each in sockets:
        each.close()
