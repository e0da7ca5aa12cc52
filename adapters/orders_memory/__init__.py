"""A store in memory, for tests and for embedding: gone when the process ends."""

from orders_memory.store import MemoryStore

__all__ = ["MemoryStore"]
