"""Looks at the database now and then, so that monitoring knows how it is when no client asks."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Final

from attrs import frozen

from orders_core import OrderStore, StoreUnavailable
from orders_prometheus import Metrics
from orders_service.databases import Database

_LOG: Final = logging.getLogger(__name__)

WATCH_SECONDS: Final = 10.0
"""How long it waits between two looks."""


@frozen
class Watch:
    """Looks at a database, and tells the metrics.

    It has a thread of its own: a scrape takes what was found last, and waits for no database.

    Attributes:
        store: The store, measured: what is wrong with it is counted and logged there.
        database: The same database, for what no store tells.
        metrics: What is told.
    """

    store: OrderStore
    database: Database
    metrics: Metrics

    def look(self) -> None:
        """Look once."""
        try:
            self.store.check()
        except StoreUnavailable:
            self.metrics.store_up(is_up=False)
        else:
            self.metrics.store_up(is_up=True)
        condition = self.database.inspect()
        for certificate, expiry in condition.expiries.items():
            self.metrics.certificate_expiry(certificate, expiry)
        if condition.schema is not None:
            self.metrics.schema_version(*condition.schema)
        if condition.disk is not None:
            self.metrics.disk(*condition.disk)

    @contextmanager
    def running(self) -> Iterator[Thread]:
        """Look again and again while the block runs; give the thread that does."""
        ended = Event()

        def keep_looking() -> None:
            while True:
                try:
                    self.look()
                except Exception:  # noqa: BLE001 - logged, and told
                    # A defect of ours, which must not let the last findings stand for ever.
                    _LOG.exception("the database could not be looked at")
                    self.metrics.store_up(is_up=False)
                if ended.wait(WATCH_SECONDS):
                    return

        # A daemon: the end of the process need not wait for a look that waits for the database.
        thread = Thread(target=keep_looking, name="watch", daemon=True)
        thread.start()
        try:
            yield thread
        finally:
            ended.set()
