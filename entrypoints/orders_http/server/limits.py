"""How long, how many and how much: the server's limits, in one object that is passed in."""

from typing import Final

from attrs import frozen


@frozen(kw_only=True)
class Limits:
    """The limits of one process.

    Attributes:
        request_seconds: How long a request may take in all before it is refused.
        receive_seconds: How long a request may take to arrive, from its first byte to its last.
        stalled_seconds: How long a client may read nothing of a reply that waits for it.
        shed_seconds: How long a request waits for a busy store before it is refused: a client
            that hears soon can try elsewhere. Over a store that is far away it may wait up to
            twice as long.
        late_seconds: How long requests wait in order of arrival before the latest go first: in
            a queue that cannot be emptied, first in first out would answer all of them late.
        slow_batch_seconds: How long a batch may take before a smaller one is tried.
        max_batch_size: How many requests a batch has at most. It starts with fewer, and keeps
            to fewer while they are faster.
        max_page_batch_size: The same for lists, each of which may hold 500 orders.
        idle_seconds: How long a connection stays open without a request. Clients are told.
        drain_seconds: How long a stopping server waits for the requests that it has accepted.
        drain_idle_seconds: How long a stopping server still accepts a request on an idle
            connection. The answer tells the client to reconnect.
        connections: How many connections are open at most; more wait to be accepted.
        least_connections: For how many the process must be able to open files, or it does not
            start.
        other_files: How many files are left for databases, logs and listening sockets.
    """

    request_seconds: float = 6.0
    receive_seconds: float = 10.0
    stalled_seconds: float = 15.0
    shed_seconds: float = 1.0
    late_seconds: float = 0.25
    slow_batch_seconds: float = 0.15
    max_batch_size: int = 256
    max_page_batch_size: int = 16
    idle_seconds: int = 120
    drain_seconds: float = 25.0
    drain_idle_seconds: float = 1.0
    connections: int = 10_000
    least_connections: int = 64
    other_files: int = 200

    @property
    def files(self) -> int:
        """How many files the process opens at most."""
        return self.connections + self.other_files

    @property
    def least_files(self) -> int:
        """How many files the process must be able to open to serve anyone."""
        return self.least_connections + self.other_files


DEFAULT_LIMITS: Final = Limits()
