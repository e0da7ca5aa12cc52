"""The operations listener's application: liveness, readiness, metrics.

It has a separate address, so that no other client can delay a probe.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Final

from attrs import frozen

from orders_core import OrderStore, StoreUnavailable
from orders_http.api.http_messages import Reply
from orders_http.api.problems import Problem, ProblemType

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
CHECK_SECONDS: Final = 1.0
"""Minimum seconds between two checks of the store."""


class StoreCheck:
    """Checks the store, one check at a time and not too often.

    While one caller waits for the store, others get the last result, so that a slow store cannot
    block every thread of the probes.
    """

    def __init__(self, store: OrderStore, clock: Callable[[], float] = monotonic) -> None:
        """Take the store; the first check is later.

        Args:
            store: The store. No client uses its connections.
            clock: Returns the time in seconds, from any start.
        """
        self._store = store
        self._clock = clock
        self._lock = Lock()
        self._problem: str | None = "store: not checked yet"
        self._checked: float | None = None

    def problem(self) -> str | None:
        """Describe what is wrong with the store; None if it is available."""
        if self._lock.acquire(blocking=False):
            try:
                if self._checked is None or self._clock() - self._checked > CHECK_SECONDS:
                    self._problem = self._check()
                    self._checked = self._clock()
            finally:
                self._lock.release()
        return self._problem

    def _check(self) -> str | None:
        try:
            self._store.check()
        except StoreUnavailable as error:
            return f"store: {error.reason.value}: {error}"
        return None


@frozen
class Probe:
    """A slow answer: it checks the store."""

    run: Callable[[], Reply]


@frozen
class Scrape:
    """An expensive answer: one result serves all requests that wait for it."""

    run: Callable[[], Reply]


class Operations:
    """The operations listener's WSGI application (PEP 3333).

    A server whose clients must not wait for each other calls `begin` instead.
    """

    def __init__(
        self,
        store: OrderStore,
        stopping: Callable[[], bool],
        metrics: Callable[[], bytes],
    ) -> None:
        """Assemble the application.

        Args:
            store: The store that readiness checks; no client should use its connections.
            stopping: Tells whether the service is stopping.
            metrics: Returns the metrics in Prometheus's text format 0.0.4.
        """
        self._store_check = StoreCheck(store)
        self._stopping = stopping
        self._metrics = metrics
        self._answers: Mapping[str, Reply | Probe | Scrape] = {
            "/livez": _status(HTTPStatus.OK, "live"),
            "/readyz": Probe(self._ready),
            "/metrics": Scrape(self._exposed),
        }

    def begin(self, environ: "WSGIEnvironment") -> Reply | Probe | Scrape:
        """Answer at once, or give the work to do first."""
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path not in self._answers:
            known = ", ".join(self._answers)
            return Reply.of_problem(Problem(ProblemType.NOT_FOUND, f"the paths are {known}"))
        if method not in {"GET", "HEAD"}:
            allow = (("Allow", "GET, HEAD"),)
            detail = f"{method} is not allowed; allowed: GET, HEAD"
            return Reply.of_problem(Problem(ProblemType.METHOD_NOT_ALLOWED, detail, headers=allow))
        return self._answers[path]

    def __call__(
        self,
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
    ) -> Iterable[bytes]:
        """Answer one request."""
        begun = self.begin(environ)
        reply = begun if isinstance(begun, Reply) else begun.run()
        status = reply.status
        start_response(f"{status.value} {status.phrase}", reply.header_list())
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [reply.body]

    def _ready(self) -> Reply:
        if self._stopping():
            return _status(HTTPStatus.SERVICE_UNAVAILABLE, "not ready", "stopping")
        problem = self._store_check.problem()
        if problem is not None:
            return _status(HTTPStatus.SERVICE_UNAVAILABLE, "not ready", problem)
        return _status(HTTPStatus.OK, "ready")

    def _exposed(self) -> Reply:
        return Reply(HTTPStatus.OK, self._metrics(), METRICS_TYPE)


def _status(status: HTTPStatus, state: str, *reasons: str) -> Reply:
    body = {"status": state, "reasons": reasons} if reasons else {"status": state}
    return Reply(status, json.dumps(body).encode(), "application/json")
