"""A fuzz target."""

from collections.abc import Callable

from attrs import frozen


@frozen
class Target:
    """One reader, and what must hold for any bytes that it reads.

    Attributes:
        check: Reads the bytes, and raises when something does not hold.
        seeds: Bytes to begin with.
        words: What mutation inserts, in addition to single bytes.
        max_bytes: The length of the longest bytes that are tried.
        share: How many of a hundred executions of all targets are of this one.
    """

    check: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    words: tuple[bytes, ...]
    max_bytes: int
    share: int
