"""Checks the database regularly, so that monitoring knows its state without client traffic."""

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
"""Seconds between two checks, so that a problem is reported within 10 s."""


@frozen
class Watch:
    """Checks a database, and sets its metrics.

    It has a thread of its own: a scrape returns the last findings, and never waits for a database.

    Attributes:
        store: The measured store, which counts and logs failures.
        database: The same database; it knows more than a store, such as certificates.
        metrics: The metrics to set.
    """

    store: OrderStore
    database: Database
    metrics: Metrics

    def check(self) -> None:
        """Check once."""
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
        """Check regularly while the block runs; yield the thread."""
        return repeating(self._check_safely, WATCH_SECONDS, "watch")

    def _check_safely(self) -> None:
        try:
            self.check()
        except Exception:  # noqa: BLE001 - logged, and shown by the metrics
            # A defect: the last findings must not stay forever.
            _LOG.exception("the database could not be checked")
            self.metrics.store_up(is_up=False)
