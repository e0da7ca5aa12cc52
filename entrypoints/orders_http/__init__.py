"""Orders over HTTP: a plain WSGI application, its page, and the server that runs them."""

from orders_core.extras import needing

with needing("http", "bottle", "waitress"):
    import bottle  # noqa: F401 - whoever imports a part of this package needs both
    import waitress  # noqa: F401
