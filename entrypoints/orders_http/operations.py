"""The operations listener's application: alive, ready, metrics.

It listens on an address of its own, so that no client of the orders can make a probe wait.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING

from orders_core import OrderStore, StoreUnavailable
from orders_http.messages import Reply
from orders_http.problems import Problem, ProblemType

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def create_operations_app(
    store: OrderStore,
    stopping: Callable[[], bool],
    metrics: Callable[[], bytes],
) -> "WSGIApplication":
    """Build the WSGI application of the operations listener.

    Args:
        store: What readiness asks.
        stopping: Tells whether the service is on its way out.
        metrics: Gives the metrics in Prometheus's text format 0.0.4.
    """

    def live() -> Reply:
        return _status(HTTPStatus.OK, "live")

    def ready() -> Reply:
        if stopping():
            return _status(HTTPStatus.SERVICE_UNAVAILABLE, "not ready", "stopping")
        try:
            store.check()
        except StoreUnavailable as error:
            reason = f"store: {error.reason.value}: {error}"
            return _status(HTTPStatus.SERVICE_UNAVAILABLE, "not ready", reason)
        return _status(HTTPStatus.OK, "ready")

    def exposed() -> Reply:
        return Reply(HTTPStatus.OK, metrics(), METRICS_TYPE)

    handlers: Mapping[str, Callable[[], Reply]] = {
        "/livez": live,
        "/readyz": ready,
        "/metrics": exposed,
    }

    def application(
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
    ) -> Iterable[bytes]:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path not in handlers:
            known = ", ".join(handlers)
            reply = Reply.of_problem(Problem(ProblemType.NOT_FOUND, f"there are {known}"))
        elif method not in {"GET", "HEAD"}:
            allow = (("Allow", "GET, HEAD"),)
            detail = f"{method} is not allowed here"
            reply = Reply.of_problem(Problem(ProblemType.METHOD_NOT_ALLOWED, detail, headers=allow))
        else:
            reply = handlers[path]()
        status = reply.status
        start_response(f"{status.value} {status.phrase}", reply.header_list())
        return [] if method == "HEAD" else [reply.body]

    return application


def _status(status: HTTPStatus, state: str, *reasons: str) -> Reply:
    body = {"status": state, "reasons": reasons} if reasons else {"status": state}
    return Reply(status, json.dumps(body).encode(), "application/json")
