"""`orders serve`: the service in one process, until it is told to stop."""

import errno
import logging
import os
import signal
from collections.abc import Callable
from functools import partial
from threading import Thread
from types import FrameType
from typing import Final, TypeVar

from orders_cli.exits import Exit
from orders_core import Reason, StoreUnavailable
from orders_http.app import HttpSettings, create_app
from orders_http.gathering import GatheringServer
from orders_http.hosts import HostRule
from orders_http.operations import create_operations_app
from orders_http.server import Server, ThreadedServer
from orders_service.composition import build_service
from orders_service.config import Address, Config
from orders_service.logs import configure_logs
from orders_service.tokens import TokenFile

_LOG: Final = logging.getLogger(__name__)

_OPERATIONS_THREADS: Final = 2
_Server = TypeVar("_Server", bound=Server)


def serve(config: Config) -> int:
    """Serve until SIGTERM or SIGINT, then finish every request that was accepted.

    Raises:
        StoreUnavailable: The database has not the schema that this release needs. One that
            cannot be reached is no reason to stop: the service answers 503 until it can.
        OSError: An address cannot be listened on.
        InvalidTokens: The token file cannot be used.
    """
    configure_logs()
    tokens = None if config.tokens_file is None else TokenFile(config.tokens_file)
    service = build_service(config)
    try:
        service.probe.check()
    except StoreUnavailable as error:
        if error.reason is Reason.SCHEMA:
            raise
        _LOG.warning(
            "store unavailable at start", extra={"reason": error.reason.value}, exc_info=error
        )
    settings = HttpSettings(config.currency, HostRule(config.allowed_hosts), tokens)
    app = create_app(service.store, settings, service.metrics.observe_request)
    server = _listening(partial(GatheringServer, app, service.store), config.listen, "--listen")
    operations_app = create_operations_app(
        service.probe,
        lambda: server.stopping,
        service.metrics.exposition,
    )
    operations = _listening(
        partial(ThreadedServer, operations_app, threads=_OPERATIONS_THREADS),
        config.ops_listen,
        "--ops-listen",
    )
    _stop_on_signal(server)
    probes = Thread(target=operations.run, name="operations", daemon=True)
    probes.start()
    print(
        f"Orders is at http://{server.address}/ and keeps its orders in {config.database};\n"
        f"probes and metrics are at http://{operations.address}/. Ctrl-C stops it.",
        flush=True,
    )
    server.run()
    operations.stop()
    probes.join()
    service.close()
    return Exit.DONE


def _listening(listen: Callable[[str, int], _Server], address: Address, flag: str) -> _Server:
    """Listen, or say which address cannot be had and how to choose another.

    Raises:
        OSError: The address is in use, not of this machine, or no address at all.
    """
    try:
        return listen(address.host, address.port)
    except (OSError, ValueError) as error:
        # Waitress raises ValueError for a name that does not resolve.
        number = error.errno if isinstance(error, OSError) else errno.EADDRNOTAVAIL
        reason = os.strerror(number or 0)
        message = f"cannot be listened on: {reason}; {flag} chooses another address"
        raise OSError(number, message, str(address)) from error


def _stop_on_signal(server: Server) -> None:
    """Let SIGTERM and SIGINT end the service gently; the second one ends it at once."""

    def stop(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        server.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
