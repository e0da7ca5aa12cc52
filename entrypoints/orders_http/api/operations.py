"""The operations listener's application: alive, ready, metrics.

It listens on an address of its own, so that no client of the orders can make a probe wait.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Final

from attrs import frozen

from orders_core import OrderStore, StoreUnavailable
from orders_http.api.messages import Reply
from orders_http.api.problems import Problem, ProblemType

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
KEPT_SECONDS: Final = 1.0
"""How long an answer of the store counts."""


class StoreCheck:
    """Asks the store how it is: once at a time, and not more often than is of use.

    While one caller waits for the store, the others get the last answer, so that a store that
    is slow cannot take every thread of the probes.
    """

    def __init__(self, store: OrderStore, clock: Callable[[], float] = monotonic) -> None:
        """Take the store; nothing is asked yet.

        Args:
            store: What is asked. No client uses its connections.
            clock: Gives the time in seconds, from any beginning.
        """
        self._store = store
        self._clock = clock
        self._asking = Lock()
        self._problem: str | None = "store: not asked yet"
        self._asked: float | None = None

    def problem(self) -> str | None:
        """Tell what is wrong with the store, or None when nothing is."""
        if self._asking.acquire(blocking=False):
            try:
                if self._asked is None or self._clock() - self._asked > KEPT_SECONDS:
                    self._problem = self._ask()
                    self._asked = self._clock()
            finally:
                self._asking.release()
        return self._problem

    def _ask(self) -> str | None:
        try:
            self._store.check()
        except StoreUnavailable as error:
            return f"store: {error.reason.value}: {error}"
        return None


@frozen
class Probe:
    """An answer that may take its time: it asks the store."""

    run: Callable[[], Reply]


@frozen
class Scrape:
    """An answer that is costly to make: made once, it serves everyone who asked before."""

    run: Callable[[], Reply]


class Operations:
    """The operations listener's application: a WSGI application (PEP 3333).

    A server whose clients must not wait for each other calls `begin` instead.
    """

    def __init__(
        self,
        store: OrderStore,
        stopping: Callable[[], bool],
        metrics: Callable[[], bytes],
    ) -> None:
        """Take what is asked.

        Args:
            store: What readiness asks; no client should use its connections.
            stopping: Tells whether the service is on its way out.
            metrics: Gives the metrics in Prometheus's text format 0.0.4.
        """
        self._check = StoreCheck(store)
        self._stopping = stopping
        self._metrics = metrics
        self._answers: Mapping[str, Reply | Probe | Scrape] = {
            "/livez": _status(HTTPStatus.OK, "live"),
            "/readyz": Probe(self._ready),
            "/metrics": Scrape(self._exposed),
        }

    def begin(self, environ: "WSGIEnvironment") -> Reply | Probe | Scrape:
        """Answer at once, or tell what there is to do first."""
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path not in self._answers:
            known = ", ".join(self._answers)
            return Reply.of_problem(Problem(ProblemType.NOT_FOUND, f"there are {known}"))
        if method not in {"GET", "HEAD"}:
            allow = (("Allow", "GET, HEAD"),)
            detail = f"{method} is not allowed here"
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
        problem = self._check.problem()
        if problem is not None:
            return _status(HTTPStatus.SERVICE_UNAVAILABLE, "not ready", problem)
        return _status(HTTPStatus.OK, "ready")

    def _exposed(self) -> Reply:
        return Reply(HTTPStatus.OK, self._metrics(), METRICS_TYPE)


def _status(status: HTTPStatus, state: str, *reasons: str) -> Reply:
    body = {"status": state, "reasons": reasons} if reasons else {"status": state}
    return Reply(status, json.dumps(body).encode(), "application/json")
