"""The limits of a store."""

from attrs import frozen


@frozen(kw_only=True)
class Limits:
    """The time limits of a store in seconds, and the free disk space that it requires.

    Attributes:
        lock: Waiting for a lock that another connection holds.
        proof: How long one write of the check proves that writing works. Each write is a page
            and a flush, and wears the disk.
        busy: How long another writer may hold the lock without a commit before the check fails.
        free_bytes: Free space that the disk must have. A batch may change as many pages as it
            has orders, and the log gets each of them whole.
    """

    lock: float = 1.0
    proof: float = 2.0
    busy: float = 10.0
    free_bytes: int = 1024 * 1024
