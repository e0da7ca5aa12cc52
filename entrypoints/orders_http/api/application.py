"""The WSGI application: which handler answers which method and path, and how errors are told.

It is correct under any WSGI server. Bottle routes and speaks WSGI; requests and errors are read
and written by the modules beside this one, because Bottle's own readers are lenient.
"""

import logging
from collections.abc import Callable, Generator, Iterable, Mapping
from functools import partial
from http import HTTPStatus
from importlib.metadata import version
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import bottle
from attrs import frozen

from orders_core import OrderStore, StoreUnavailable
from orders_http.api.authentication import guarded
from orders_http.api.exchange import Exchange, RequestObserver, Steps, Unobserved, Work, WorkKind
from orders_http.api.hosts import HostRule
from orders_http.api.messages import Reply, Request
from orders_http.api.negotiation import wants_page
from orders_http.api.openapi import OpenApiDocument
from orders_http.api.orders import OrdersResource
from orders_http.api.page import OrdersPage
from orders_http.api.problems import Problem, ProblemType
from orders_http.api.request_ids import REQUEST_ID, RequestIds
from orders_http.api.request_log import RequestLog
from orders_tokens import Scope, TokenFile

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_LOG: Final = logging.getLogger(__name__)

Handler = Callable[..., Reply | Steps]
"""Answers a request, or gives the steps that lead to its reply."""

_NO_ROUTE: Final = "(none)"
_OTHER_METHOD: Final = "(other)"
_METHODS: Final = ("GET", "HEAD", "POST", "OPTIONS")


@frozen
class HttpSettings:
    """What the HTTP interface needs to know.

    Attributes:
        currency: The ISO 4217 code that the page shows behind amounts.
        hosts: Which Host headers are answered.
        tokens: The tokens that clients must have; None when they need none.
        root: The path below which a proxy serves all; empty when there is none. Requests may come
            with it, or without it when the proxy takes it off.
        log_requests: Lines a second that the request log may have, and as many for failures.
    """

    currency: str
    hosts: HostRule
    tokens: TokenFile | None = None
    root: str = ""
    log_requests: int = 0


@frozen
class _Route:
    """A path's template and the handler of one of its methods."""

    template: str
    handler: Handler


@frozen
class _Site:
    """What is served where.

    Attributes:
        router: Bottle's router, with every route.
        settings: What the interface needs to know.
        page: Tells people what is wrong.
    """

    router: Any
    settings: HttpSettings
    page: OrdersPage


def create_app(
    store: OrderStore,
    settings: HttpSettings,
    observer: RequestObserver | None = None,
) -> "Application":
    """Build the HTTP interface over a store.

    Args:
        store: Where the orders are kept.
        settings: What the interface needs to know.
        observer: Hears of every request, for metrics.
    """
    orders = OrdersResource(store)
    page = OrdersPage(store, settings.currency, settings.tokens)
    reading = partial(guarded, scope=Scope.READ, tokens=settings.tokens)
    writing = partial(guarded, scope=Scope.WRITE, tokens=settings.tokens)
    description = OpenApiDocument.of_version(version("orders-core"), settings.root)
    routes: Mapping[str, Mapping[str, Handler]] = {
        "/": {"GET": _working(page.show), "POST": _working(page.create, "write")},
        "/login": {"GET": _working(page.show_log_in), "POST": _working(page.log_in)},
        "/logout": {"POST": _working(page.log_out)},
        "/favicon.svg": {"GET": page.icon},
        "/orders": {"GET": reading(orders.get_list), "POST": writing(orders.add)},
        "/orders/<id:path>": {"GET": reading(orders.get)},
        "/health": {"GET": _health},
        "/openapi.json": {"GET": description.get},
    }
    # Only its routes are used: it would read requests leniently and write errors as HTML.
    router = bottle.Bottle().router
    # Bottle's own filter ends in front of a final newline, and so would serve another order.
    router.add_filter("path", lambda _configuration: (r"(?s:.+)\Z", None, None))
    for path, handlers in routes.items():
        template = path.replace(":path", "")
        for method, handler in {"OPTIONS": _options(handlers), **handlers}.items():
            router.add(path, method, _Route(template, handler))
    log = RequestLog(settings.log_requests)
    return Application(store, _Site(router, settings, page), observer or Unobserved(), log)


class Application:
    """The HTTP interface over a store: a WSGI application (PEP 3333).

    A server that gathers the work of many requests calls `begin` instead.

    Attributes:
        observer: Hears of every request; the server tells it what it knows of them.
    """

    def __init__(
        self,
        store: OrderStore,
        site: _Site,
        observer: RequestObserver,
        log: RequestLog,
    ) -> None:
        """Take the parts; `create_app` makes them."""
        self._store = store
        self._router = site.router
        self._hosts = site.settings.hosts
        self._root = site.settings.root
        self._page = site.page
        self.observer = observer
        self._log = log
        self._ids = RequestIds()

    def __call__(
        self,
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
    ) -> Iterable[bytes]:
        """Answer one request."""
        exchange = self.begin(environ)
        reply = exchange.run(self._store)
        status = reply.status
        start_response(f"{status.value} {status.phrase}", reply.header_list())
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [reply.body]

    def begin(self, environ: "WSGIEnvironment") -> Exchange:
        """Begin to answer a request: everything up to the first thing that takes the store."""
        return Exchange(self._steps(Request(self._mounted(environ))))

    def refuse(self, environ: "WSGIEnvironment", problem: Problem) -> Reply:
        """Answer a request that the server did not take.

        Args:
            environ: As much of a WSGI environment as there is.
            problem: Why it was not taken.
        """
        started = perf_counter()
        self.observer.request_begun()
        reply = self._told(Request(self._mounted(environ)), problem)
        return self._reported(environ, self._ids.of(environ), _NO_ROUTE, started, reply)

    def _steps(self, request: Request) -> Steps:
        """Find the handler, follow its steps, tell its errors and report the request."""
        started = perf_counter()
        self.observer.request_begun()
        request_id = self._ids.of(request.environ)
        template = _NO_ROUTE
        try:
            path = _path(request)
            self._hosts.check(request.header("Host"))
            route, parameters = self._matched(request.method, path)
            template = route.template
            handled = route.handler(request, **parameters)
            reply = (yield from handled) if isinstance(handled, Generator) else handled
        except Problem as problem:
            reply = self._told(request, problem)
        except StoreUnavailable:
            reply = self._told(request, Problem.unavailable())
        except Exception:  # noqa: BLE001 - logged, and answered
            _LOG.exception("a request failed", extra={"request_id": request_id, "route": template})
            reply = self._told(request, Problem.defect())
        return self._reported(request.environ, request_id, template, started, reply)

    def _told(self, request: Request, problem: Problem) -> Reply:
        """Tell what is wrong, to a person by a page."""
        if wants_page(request.header("Accept")):
            return self._page.refused(request, problem)
        return Reply.of_problem(problem)

    def _mounted(self, environ: Mapping[str, Any]) -> Mapping[str, Any]:
        """Put the application below the path where a proxy serves it."""
        if not self._root:
            return environ
        path = str(environ.get("PATH_INFO", ""))
        inside = path.removeprefix(self._root)
        if inside == path or inside[:1] not in {"", "/"}:
            inside = path  # The proxy has taken it off.
        mounted = str(environ.get("SCRIPT_NAME", "")) + self._root
        return {**environ, "SCRIPT_NAME": mounted, "PATH_INFO": inside or "/"}

    def _reported(
        self,
        environ: Mapping[str, Any],
        request_id: str,
        template: str,
        started: float,
        reply: Reply,
    ) -> Reply:
        """Report a request that is answered, and give the answer its id."""
        method = environ["REQUEST_METHOD"]
        method = method if method in _METHODS else _OTHER_METHOD
        status = reply.status.value
        seconds = perf_counter() - started
        self.observer.request_answered(template, method, status, seconds)
        if self._log.admits(status):
            self._log.tell(
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

    def _matched(self, method: str, path: str) -> tuple[_Route, Mapping[str, str]]:
        try:
            route, parameters = self._router.match({"REQUEST_METHOD": method, "PATH_INFO": path})
        except bottle.HTTPError as error:
            if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
                allow = _allow(error.headers["Allow"].split(","))
                raise Problem(
                    ProblemType.METHOD_NOT_ALLOWED,
                    f"{method} is not allowed at {path}; allowed: {allow}",
                    headers=(("Allow", allow),),
                ) from None
            raise Problem(ProblemType.NOT_FOUND, f"there is nothing at {path}") from None
        return route, parameters


def _path(request: Request) -> str:
    """Give the path; WSGI hands its bytes over as Latin-1 (PEP 3333, "Unicode Issues")."""
    try:
        return str(request.environ["PATH_INFO"]).encode("latin-1").decode()
    except UnicodeDecodeError:
        raise Problem(ProblemType.MALFORMED_REQUEST, "the path is not UTF-8") from None


def _working(handler: Callable[[Request], Reply], kind: WorkKind = "read") -> Handler:
    """Make steps of a handler that waits for the store by itself."""

    def steps(request: Request) -> Steps:
        reply: Reply = yield Work(lambda: handler(request), kind)
        return reply

    return steps


def _options(handlers: Mapping[str, Handler]) -> Handler:
    """Make the handler that tells which methods a path has."""
    allow = _allow(handlers)

    def options(_request: Request, **_parameters: str) -> Reply:
        return Reply(HTTPStatus.NO_CONTENT, headers=(("Allow", allow),))

    return options


def _allow(methods: Iterable[str]) -> str:
    """Write an Allow header: GET goes with HEAD, and every path has OPTIONS."""
    allowed = {*methods, "OPTIONS"}
    return ", ".join(sorted(allowed | {"HEAD"} if "GET" in allowed else allowed))


def _health(_request: Request) -> Reply:
    return Reply(HTTPStatus.OK, b'{"status":"ok"}', "application/json")
