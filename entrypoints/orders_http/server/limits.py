"""The server's limits, in one object that is passed in."""

from typing import Final

from attrs import frozen


@frozen(kw_only=True)
class Limits:
    """The limits of one process.

    Attributes:
        request_seconds: A request that takes longer is refused.
        receive_seconds: A request that takes longer to arrive, from its first byte to its last,
            is refused.
        stalled_seconds: A client that reads nothing of its reply for longer is disconnected.
        shed_seconds: A request that waits longer for a busy store is refused, so that the client
            can soon try again. With a store that is far away it may wait up to twice as long.
        late_seconds: Requests queue in order of arrival for this long; then the latest go first.
            If the queue cannot be emptied, first in, first out would answer all of them late.
        slow_batch_seconds: A batch that takes longer is followed by a smaller one.
        max_batch_size: The largest batch. Batches start smaller, and stay smaller if that is
            faster.
        max_page_batch_size: The same for lists, each of which may have 500 orders.
        idle_seconds: A connection without a request is closed after this long. Clients are told.
        drain_seconds: How long a stopping server waits for the requests that it has accepted.
        drain_idle_seconds: How long a stopping server still accepts requests on idle connections.
            The answer closes the connection.
        connections: The maximum number of open connections; further clients wait.
        least_connections: If the process cannot open this many connections, it does not start.
        other_files: Open files for anything else: databases, logs, listening sockets.
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
        """The maximum number of files that the process opens."""
        return self.connections + self.other_files

    @property
    def least_files(self) -> int:
        """How many files the process must be able to open, or it does not start."""
        return self.least_connections + self.other_files


DEFAULT_LIMITS: Final = Limits()
