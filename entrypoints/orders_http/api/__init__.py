"""The API: orders, page and errors, as an application for any WSGI server."""

from orders_core.missing_extras import needing

with needing("http", "bottle"):
    import bottle  # noqa: F401 - this package needs it
