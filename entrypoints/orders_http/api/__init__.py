"""What is answered: the orders, the page and the errors, as an application for any WSGI server."""

from orders_core.extras import needing

with needing("http", "bottle"):
    import bottle  # noqa: F401 - every part of this package needs it
