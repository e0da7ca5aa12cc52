"""The WSGI application: routes requests, answers errors, and reports every request.

It runs under any WSGI server. Requests and errors are read and written by the modules of this
package, because Bottle's own readers are lenient.
"""

import logging
from collections.abc import Generator, Iterable, Mapping
from importlib.metadata import version
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from orders_core import OrderStore, StoreUnavailable
from orders_http.api.exchange import Exchange, ReplyCoroutine
from orders_http.api.hosts import HostRule
from orders_http.api.http_messages import Reply, Request
from orders_http.api.negotiation import wants_page
from orders_http.api.observer import RequestObserver, Unobserved
from orders_http.api.openapi import OpenApiDocument
from orders_http.api.orders import OrdersResource
from orders_http.api.page import OrdersPage
from orders_http.api.problems import Problem, ProblemType
from orders_http.api.request_ids import REQUEST_ID, RequestIds
from orders_http.api.request_log import RequestLog
from orders_http.api.routes import METHODS, NO_ROUTE, Resources, Router
from orders_tokens import TokenFile

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_LOG: Final = logging.getLogger(__name__)

_OTHER_METHOD: Final = "(other)"


@frozen
class HttpSettings:
    """The settings of the HTTP interface.

    Attributes:
        currency: The ISO 4217 code that the page shows after amounts.
        hosts: The Host headers that are accepted.
        tokens: The tokens that clients need; None when they need none.
        root: The path below which a proxy serves the application; empty for none. It does not
            matter whether the proxy removes it from the requests.
        log_requests: Lines per second of the request log, for failures and for other requests each.
    """

    currency: str
    hosts: HostRule
    tokens: TokenFile | None = None
    root: str = ""
    log_requests: int = 0


def create_app(
    store: OrderStore,
    settings: HttpSettings,
    observer: RequestObserver | None = None,
) -> "Application":
    """Build the HTTP interface over a store.

    Args:
        store: The store of the orders.
        settings: The settings.
        observer: Receives the events of every request, for metrics.
    """
    resources = Resources(
        OrdersResource(store),
        OrdersPage(store, settings.currency, settings.tokens),
        OpenApiDocument.of_version(version("orders-core"), settings.root),
    )
    return Application(store, settings, resources, observer or Unobserved())


class Application:
    """The HTTP interface over a store: a WSGI application (PEP 3333).

    A server that gathers the work of many requests calls `begin` instead.

    Attributes:
        observer: Receives the events of every request, also from the server.
    """

    def __init__(
        self,
        store: OrderStore,
        settings: HttpSettings,
        resources: Resources,
        observer: RequestObserver,
    ) -> None:
        """Assemble the application; see `create_app`."""
        self._store = store
        self._hosts = settings.hosts
        self._root = settings.root
        self._page = resources.page
        self._router = Router(resources, settings.tokens)
        self.observer = observer
        self._log = RequestLog(settings.log_requests)
        self._ids = RequestIds()

    def __call__(
        self,
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
    ) -> Iterable[bytes]:
        """Answer one request."""
        reply = self.begin(environ).run(self._store)
        status = reply.status
        start_response(f"{status.value} {status.phrase}", reply.header_list())
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [reply.body]

    def begin(self, environ: "WSGIEnvironment") -> Exchange:
        """Begin to answer a request, up to the first call to the store."""
        return Exchange(self._respond(Request(self._mounted(environ))))

    def refuse(self, environ: "WSGIEnvironment", problem: Problem) -> Reply:
        """Answer a request that the server refused.

        Args:
            environ: As much of a WSGI environment as is known.
            problem: Why it was refused.
        """
        started = perf_counter()
        self.observer.request_begun()
        reply = self._error(Request(self._mounted(environ)), problem)
        return self._report(environ, self._ids.of(environ), NO_ROUTE, started, reply)

    def _respond(self, request: Request) -> ReplyCoroutine:
        """Answer a request, or its error, and report it."""
        started = perf_counter()
        self.observer.request_begun()
        request_id = self._ids.of(request.environ)
        template = NO_ROUTE
        try:
            path = _path(request)
            self._hosts.check(request.header("Host"))
            route, parameters = self._router.match(request.method, path)
            template = route.template
            response = route.respond(request, **parameters)
            reply = (yield from response) if isinstance(response, Generator) else response
        except Problem as problem:
            reply = self._error(request, problem)
        except StoreUnavailable:
            reply = self._error(request, Problem.unavailable())
        except Exception:  # noqa: BLE001 - logged, and answered
            _LOG.exception("a request failed", extra={"request_id": request_id, "route": template})
            reply = self._error(request, Problem.defect())
        return self._report(request.environ, request_id, template, started, reply)

    def _error(self, request: Request, problem: Problem) -> Reply:
        """Answer an error: with a page for a person, else with problem details."""
        if wants_page(request.header("Accept")):
            return self._page.refused(request, problem)
        return Reply.of_problem(problem)

    def _mounted(self, environ: Mapping[str, Any]) -> Mapping[str, Any]:
        """Move the root path from PATH_INFO to SCRIPT_NAME."""
        if not self._root:
            return environ
        path = str(environ.get("PATH_INFO", ""))
        inside = path.removeprefix(self._root)
        if inside == path or inside[:1] not in {"", "/"}:
            inside = path  # The proxy removed it.
        mounted = str(environ.get("SCRIPT_NAME", "")) + self._root
        return {**environ, "SCRIPT_NAME": mounted, "PATH_INFO": inside or "/"}

    def _report(
        self,
        environ: Mapping[str, Any],
        request_id: str,
        template: str,
        started: float,
        reply: Reply,
    ) -> Reply:
        """Count and log a request that is answered; give the answer the request's id."""
        method = environ["REQUEST_METHOD"]
        method = method if method in METHODS else _OTHER_METHOD
        status = reply.status.value
        seconds = perf_counter() - started
        self.observer.request_answered(template, method, status, seconds)
        if self._log.admits(status):
            self._log.write(
                environ,
                {
                    "request_id": request_id,
                    "method": method,
                    "route": template,
                    "status": status,
                    "seconds": round(seconds, 6),
                    "bytes": len(reply.body),
                },
            )
        return reply.with_header(REQUEST_ID, request_id)


def _path(request: Request) -> str:
    """Decode the path; WSGI passes its bytes as Latin-1 (PEP 3333, "Unicode Issues")."""
    try:
        return str(request.environ["PATH_INFO"]).encode("latin-1").decode()
    except UnicodeDecodeError:
        raise Problem(ProblemType.MALFORMED_REQUEST, "the path is not UTF-8") from None
