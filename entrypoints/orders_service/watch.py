"""Looks at the database now and then, so that monitoring knows how it is when no client asks."""

import logging
from contextlib import AbstractContextManager
from threading import Thread
from typing import Final

from attrs import frozen

from orders_core import OrderStore, StoreUnavailable
from orders_core.database import Database
from orders_prometheus import Metrics
from orders_service.repeating import repeating

_LOG: Final = logging.getLogger(__name__)

WATCH_SECONDS: Final = 5.0
"""How long it waits between two looks, so that what is wrong is told within 10 s."""


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

    def running(self) -> AbstractContextManager[Thread]:
        """Look again and again while the block runs; give the thread that does."""
        return repeating(self._look_whatever_happens, WATCH_SECONDS, "watch")

    def _look_whatever_happens(self) -> None:
        try:
            self.look()
        except Exception:  # noqa: BLE001 - logged, and told
            # A defect of ours, which must not let the last findings stand for ever.
            _LOG.exception("the database could not be looked at")
            self.metrics.store_up(is_up=False)
