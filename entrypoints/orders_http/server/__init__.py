"""The server: one event loop per process, which gathers requests into batches for the store."""

from orders_core.missing_extras import needing

with needing("http", "waitress"):
    import waitress  # noqa: F401 - every part of this package needs it
