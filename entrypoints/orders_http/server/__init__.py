"""How it is answered fast: a loop over connections that gathers requests into batches."""

from orders_core.extras import needing

with needing("http", "waitress"):
    import waitress  # noqa: F401 - every part of this package needs it
