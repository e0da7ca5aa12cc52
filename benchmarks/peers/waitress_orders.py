"""The application of Orders under plain Waitress, run as Waitress's documentation describes.

`waitress.serve` has one process; the threads match the store's connections.
"""

import os
import sys
from typing import Final

import waitress

from orders_http.api.application import HttpSettings, create_app
from orders_http.api.hosts import HostRule
from orders_postgres import DatabaseUrl, PostgresStore

_THREADS: Final = 8
# More than the clients of the benchmark; the default is 100.
_CONNECTIONS: Final = 1_000


def main() -> None:
    """Serve the database in DATABASE_URL on the port in the first argument."""
    url = DatabaseUrl.parse(os.environ["DATABASE_URL"])
    settings = HttpSettings("USD", HostRule(frozenset()))
    with_store = create_app(PostgresStore(url, connections=_THREADS), settings)
    waitress.serve(
        with_store,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        threads=_THREADS,
        connection_limit=_CONNECTIONS,
    )


if __name__ == "__main__":
    main()
