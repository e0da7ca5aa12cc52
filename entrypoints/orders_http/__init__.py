"""Orders over HTTP: a plain WSGI application, its page, and the server that runs them."""
