"""A pool of open connections, each lent to one thread at a time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from random import SystemRandom
from threading import BoundedSemaphore, Lock
from time import monotonic
from typing import Final

from attrs import frozen

from orders_core import Reason, StoreUnavailable
from orders_postgres.breaker import Breaker
from orders_postgres.connection import Connection

DEFAULT_SIZE: Final = 8
DEFAULT_ACQUIRE_SECONDS: Final = 0.5
DEFAULT_MAX_AGE_SECONDS: Final = 1800.0

# Connections opened together do not expire together.
_AGE_JITTER: Final = 0.2


@frozen
class PooledConnection:
    """A connection of the pool.

    Attributes:
        connection: The connection.
        opened: When it was opened, by the monotonic clock.
        expires: When it becomes too old, by the monotonic clock.
        renewals: How often the pool had been renewed before it was opened.
    """

    connection: Connection
    opened: float
    expires: float
    renewals: int


class Pool:
    """Lends connections. Thread-safe.

    The connection returned last is lent first, so that surplus ones expire and are closed. No
    lock is held while a connection is opened. While the database is down, a breaker prevents
    opening; connections that are open are still lent.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        *,
        size: int = DEFAULT_SIZE,
        acquire_seconds: float = DEFAULT_ACQUIRE_SECONDS,
        max_age_seconds: float = DEFAULT_MAX_AGE_SECONDS,
    ) -> None:
        """Prepare the pool; no connection is opened yet.

        Args:
            connect: Opens one connection or raises `StoreUnavailable`.
            size: The maximum number of connections.
            acquire_seconds: How long to wait for a connection when all are lent.
            max_age_seconds: The maximum age of a connection; some are closed a fifth earlier.
        """
        self._connect = connect
        self._size = size
        self._acquire_seconds = acquire_seconds
        self._max_age_seconds = max_age_seconds
        self._random = SystemRandom()
        self._breaker = Breaker()
        self._permits = BoundedSemaphore(size)
        self._lock = Lock()
        self._idle: list[PooledConnection] = []
        self._closed = False
        self._renewals = 0

    @property
    def breaker_open(self) -> bool:
        """Whether the breaker prevents opening connections, because the last attempts failed."""
        return self._breaker.is_open

    @contextmanager
    def connection(self, max_age_seconds: float = inf) -> Iterator[Connection]:
        """Lend a connection; keep it afterwards only if it is certainly reusable.

        Args:
            max_age_seconds: Close older connections instead of lending them.

        Raises:
            StoreUnavailable: All connections are lent, the pool is closed, or none can be opened;
                immediately while the breaker is open.
        """
        if not self._permits.acquire(timeout=self._acquire_seconds):
            message = f"all {self._size} connections to the database are in use"
            raise StoreUnavailable(Reason.POOL, message)
        try:
            pooled = self._pop_idle(max_age_seconds) or self._open()
            try:
                yield pooled.connection
            finally:
                self._put_back(pooled)
        finally:
            self._permits.release()

    def acquire_idle(self) -> PooledConnection | None:
        """Lend an open, idle connection without waiting; return None if there is none.

        Raises:
            StoreUnavailable: The pool is closed.
        """
        if not self._permits.acquire(blocking=False):
            return None
        pooled = None
        try:
            pooled = self._pop_idle()
        finally:
            if pooled is None:
                self._permits.release()
        return pooled

    def release(self, pooled: PooledConnection) -> None:
        """Return what `acquire_idle` lent; it is kept only if it is certainly reusable."""
        try:
            self._put_back(pooled)
        finally:
            self._permits.release()

    def renew(self) -> None:
        """Replace every connection: close idle ones now, lent ones when they are returned.

        Passwords and certificates are read when a connection is opened.
        """
        with self._lock:
            self._renewals += 1
        self._close_idle()

    def close(self) -> None:
        """Close every connection: idle ones now, lent ones when they are returned."""
        with self._lock:
            self._closed = True
        self._close_idle()

    def _pop_idle(self, max_age_seconds: float = inf) -> PooledConnection | None:
        while True:
            with self._lock:
                if self._closed:
                    message = "the store is closed"
                    raise StoreUnavailable(Reason.UNREACHABLE, message)
                if not self._idle:
                    return None
                pooled = self._idle.pop()
            now = monotonic()
            is_young = now < pooled.expires and now - pooled.opened < max_age_seconds
            if is_young and not pooled.connection.is_stale():
                return pooled
            pooled.connection.close()

    def _open(self) -> PooledConnection:
        age = self._max_age_seconds * (1 - _AGE_JITTER * self._random.random())
        # Read first: if the pool is renewed in between, the connection may have the old files.
        renewals = self._renewals
        with self._breaker.attempt():
            connection = self._connect()
        opened = monotonic()
        return PooledConnection(connection, opened, opened + age, renewals)

    def _put_back(self, pooled: PooledConnection) -> None:
        if not pooled.connection.reusable:
            pooled.connection.close()
            # What broke one, such as a failover, has probably broken the others too.
            self._close_idle()
            return
        with self._lock:
            keep = not self._closed and pooled.renewals == self._renewals
            if keep:
                pooled.connection.is_new = False
                self._idle.append(pooled)
        if not keep:
            pooled.connection.close()

    def _close_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for pooled in idle:
            pooled.connection.close()
