"""A store in memory, for tests and for embedding. Its orders are lost when the process ends."""

from orders_memory.store import MemoryStore

__all__ = ["MemoryStore"]
