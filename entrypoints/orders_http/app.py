"""The WSGI application: which handler answers which method and path, and how errors are told.

It is correct under any WSGI server. Bottle routes and speaks WSGI; requests and errors are read
and written by the modules beside this one, because Bottle's own readers are lenient.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from importlib.metadata import version
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, Protocol

import bottle
from attrs import frozen

from orders_core import OrderStore, StoreUnavailable
from orders_http.hosts import HostRule
from orders_http.messages import Reply, Request
from orders_http.openapi import OpenApiDocument
from orders_http.orders import OrdersResource
from orders_http.page import OrdersPage
from orders_http.problems import RETRY_AFTER_SECONDS, Problem, ProblemType

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_LOG: Final = logging.getLogger(__name__)

Handler = Callable[..., Reply]
_SECURITY_HEADERS: Final = (("X-Content-Type-Options", "nosniff"),)
_METHODS: Final = ("GET", "HEAD", "POST", "OPTIONS")


class RequestObserver(Protocol):
    """Hears of every request that was answered."""

    def __call__(self, route: str, method: str, status: int, seconds: float) -> None:
        """Take note of one request.

        Args:
            route: The template of the path, such as `/orders/<id>`; `(none)` when none matched.
            method: The method, `(other)` when it is none that is served anywhere.
            status: The status code of the answer.
            seconds: From the request's arrival at the application to its answer.
        """


@frozen
class HttpSettings:
    """What the HTTP interface needs to know.

    Attributes:
        currency: The ISO 4217 code that the page shows behind amounts.
        hosts: Which Host headers are answered.
    """

    currency: str
    hosts: HostRule


def create_app(
    store: OrderStore,
    settings: HttpSettings,
    observe: RequestObserver | None = None,
) -> "WSGIApplication":
    """Build the WSGI application over a store.

    Args:
        store: Where the orders are kept.
        settings: What the interface needs to know.
        observe: Hears of every request, for metrics.
    """
    orders = OrdersResource(store)
    page = OrdersPage(store, settings.currency)
    description = OpenApiDocument.of_version(version("orders-core"))
    routes: Mapping[str, Mapping[str, Handler]] = {
        "/": {"GET": page.show, "POST": page.create},
        "/favicon.svg": {"GET": page.icon},
        "/orders": {"GET": orders.get_list, "POST": orders.add},
        "/orders/<id:path>": {"GET": orders.get},
        "/health": {"GET": _health},
        "/openapi.json": {"GET": description.get},
    }
    router = _Router()
    router.config["catchall"] = False  # A defect is the server's to answer and to log.
    # Bottle's own filter ends in front of a final newline, and so would serve another order.
    router.router.add_filter("path", lambda _configuration: (r"(?s:.+)\Z", None, None))
    for path, handlers in routes.items():
        for method, handler in {"OPTIONS": _options(handlers), **handlers}.items():
            router.route(path, method, _bottled(handler))

    def application(
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
    ) -> Iterable[bytes]:
        started = perf_counter()
        status = HTTPStatus.INTERNAL_SERVER_ERROR.value  # until a response is begun

        def start(line: str, headers: list[tuple[str, str]], *error: Any) -> Any:  # noqa: ANN401
            nonlocal status
            status = int(line[:3])
            return start_response(line, headers, *error)

        try:
            return _answer(router, settings.hosts, environ, start)
        finally:
            if observe is not None:
                route = environ.get("bottle.route")
                method = environ["REQUEST_METHOD"]
                observe(
                    "(none)" if route is None else route.rule.replace(":path", ""),
                    method if method in _METHODS else "(other)",
                    status,
                    perf_counter() - started,
                )

    return application


class _Router(bottle.Bottle):  # type: ignore[misc]  # Bottle has no types
    """Bottle's router, with its own errors told as problems."""

    def default_error_handler(self, error: Any) -> Any:  # noqa: ANN401 - Bottle's HTTPError
        """Answer what Bottle refuses by itself: an unknown path, or a method not allowed."""
        path = bottle.request.path
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            allow = _allow(error.headers["Allow"].split(","))
            problem = Problem(
                ProblemType.METHOD_NOT_ALLOWED,
                f"{bottle.request.method} is not allowed at {path}; allowed: {allow}",
                headers=(("Allow", allow),),
            )
        else:
            problem = Problem(ProblemType.NOT_FOUND, f"there is nothing at {path}")
        return _response(Reply.of_problem(problem))


def _answer(
    router: "WSGIApplication",
    hosts: HostRule,
    environ: "WSGIEnvironment",
    start_response: "StartResponse",
) -> Iterable[bytes]:
    """Refuse what no handler should see, else let the router answer."""
    try:
        _check_path(environ)
        hosts.check(environ.get("HTTP_HOST"))
    except Problem as problem:
        reply = Reply.of_problem(problem)
        status = reply.status
        headers = [*reply.header_list(), *_SECURITY_HEADERS]
        start_response(f"{status.value} {status.phrase}", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [reply.body]
    return router(environ, start_response)


def _check_path(environ: "WSGIEnvironment") -> None:
    """Refuse a path that is not UTF-8: Bottle would drop the bytes and serve another path."""
    try:
        environ["PATH_INFO"].encode("latin-1").decode()
    except UnicodeDecodeError:
        raise Problem(ProblemType.MALFORMED_REQUEST, "the path is not UTF-8") from None


def _bottled(handler: Handler) -> Callable[..., Any]:
    """Make a handler that Bottle can call, and turn what it raises into a reply."""

    def handle(**parameters: str) -> Any:  # noqa: ANN401 - Bottle's HTTPResponse
        request = Request(bottle.request.environ)
        try:
            reply = handler(request, **parameters)
        except Problem as problem:
            reply = Reply.of_problem(problem)
        except StoreUnavailable as error:
            _LOG.warning("store unavailable", extra={"reason": error.reason.value}, exc_info=error)
            reply = Reply.of_problem(unavailable())
        return _response(reply)

    return handle


def unavailable() -> Problem:
    """Say that the store is away, and nothing of why: that is for the service's own log."""
    return Problem(
        ProblemType.STORE_UNAVAILABLE,
        "the orders cannot be reached now; send the same request again",
        headers=(("Retry-After", str(RETRY_AFTER_SECONDS)),),
    )


def _response(reply: Reply) -> Any:  # noqa: ANN401 - Bottle's HTTPResponse
    response = bottle.HTTPResponse(reply.body, reply.status.value)
    for name, value in (*reply.header_list(), *_SECURITY_HEADERS):
        response.set_header(name, value)
    return response


def _options(handlers: Mapping[str, Handler]) -> Handler:
    """Make the handler that tells which methods a path has."""
    allow = _allow(handlers)

    def options(_request: Request, **_parameters: str) -> Reply:
        return Reply(HTTPStatus.NO_CONTENT, headers=(("Allow", allow),))

    return options


def _allow(methods: Iterable[str]) -> str:
    """Write an Allow header: every path has GET, which HEAD goes with, and OPTIONS."""
    return ", ".join(sorted({*methods, "HEAD", "OPTIONS"}))


def _health(_request: Request) -> Reply:
    return Reply(HTTPStatus.OK, b'{"status":"ok"}', "application/json")
