"""The endpoints: one table of paths, methods and handlers, and the router made from it.

Authentication, the labels of metrics and the tests use the same table.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, Final, Literal, cast

import bottle
from attrs import frozen

from orders_http.api.authentication import require_token
from orders_http.api.exchange import ReplyCoroutine, Work, WorkKind
from orders_http.api.http_messages import Reply, Request
from orders_http.api.openapi import OpenApiDocument
from orders_http.api.orders import OrdersResource
from orders_http.api.page import OrdersPage
from orders_http.api.problems import Problem, ProblemType
from orders_tokens import Scope, TokenFile

NO_ROUTE: Final = "(none)"
"""Stands for the route of a request whose path matches no endpoint."""

Respond = Callable[..., Reply | ReplyCoroutine]
"""Takes a request and the parameters of its path; gives the reply, or a coroutine that does."""


@frozen
class Resources:
    """The objects whose methods answer requests."""

    orders: OrdersResource
    page: OrdersPage
    openapi: OpenApiDocument


@frozen
class Endpoint:
    """A path and a method, and how they are answered.

    Attributes:
        path: The path's template, such as `/orders/<id>`.
        method: The method. GET includes HEAD, and every path has OPTIONS.
        respond: Picks the method that answers from the resources.
        access: Required access, if the service requires tokens: none (`open`), a session of the
            page (`session`, which the page checks itself), or a token with a scope.
        success: The status of success, for endpoints that use the store. Metrics show its series
            from the start.
        work: For a method that blocks: what it does with the store. It then runs in a thread.
    """

    path: str
    method: str
    respond: Callable[[Resources], Respond]
    access: Scope | Literal["open", "session"]
    success: HTTPStatus | None = None
    work: WorkKind | None = None


ENDPOINTS: Final = (
    Endpoint("/", "GET", lambda of: of.page.show, "session", HTTPStatus.OK, "read"),
    Endpoint("/", "POST", lambda of: of.page.create, "session", HTTPStatus.SEE_OTHER, "write"),
    Endpoint("/login", "GET", lambda of: of.page.show_log_in, "open", work="read"),
    Endpoint("/login", "POST", lambda of: of.page.log_in, "open", work="read"),
    Endpoint("/logout", "POST", lambda of: of.page.log_out, "open", work="read"),
    Endpoint("/favicon.svg", "GET", lambda of: of.page.icon, "open"),
    Endpoint("/orders", "GET", lambda of: of.orders.get_list, Scope.READ, HTTPStatus.OK),
    Endpoint("/orders", "POST", lambda of: of.orders.add, Scope.WRITE, HTTPStatus.CREATED),
    Endpoint("/orders/<id>", "GET", lambda of: of.orders.get, Scope.READ, HTTPStatus.OK),
    Endpoint("/health", "GET", lambda _: _health, "open"),
    Endpoint("/openapi.json", "GET", lambda of: of.openapi.get, "open"),
)
PATHS: Final = tuple(dict.fromkeys(each.path for each in ENDPOINTS))
METHODS: Final = ("HEAD", "OPTIONS", *sorted({each.method for each in ENDPOINTS}))
STATUSES: Final = (
    *(HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.NO_CONTENT),
    *(HTTPStatus.SEE_OTHER, HTTPStatus.NOT_MODIFIED),
    *dict.fromkeys(each.status for each in ProblemType),
)
"""Every status that is answered."""


@frozen
class Route:
    """A path's template, and what answers one of its methods."""

    template: str
    respond: Respond


class Router:
    """Finds the route of a request."""

    def __init__(self, resources: Resources, tokens: TokenFile | None) -> None:
        """Make the routes of all endpoints.

        Args:
            resources: The objects that answer.
            tokens: The tokens that clients need; None when they need none.
        """
        # Only Bottle's router: the rest of it reads requests leniently and answers errors in HTML.
        self._router: Any = bottle.Bottle().router
        # Bottle's own `path` stops before a final newline, and so would find another order.
        self._router.add_filter("path", lambda _configuration: (r"(?s:.+)\Z", None, None))
        for path in PATHS:
            endpoints = [each for each in ENDPOINTS if each.path == path]
            responds = {each.method: _respond(each, resources, tokens) for each in endpoints}
            responds["OPTIONS"] = _options(responds)
            for method, respond in responds.items():
                rule = path.replace(">", ":path>")
                self._router.add(rule, method, Route(path, respond))

    def match(self, method: str, path: str) -> tuple[Route, Mapping[str, str]]:
        """Find the route of a request, and the parameters in its path.

        Raises:
            Problem: 404 or 405.
        """
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


def _respond(endpoint: Endpoint, resources: Resources, tokens: TokenFile | None) -> Respond:
    """Make the function that answers an endpoint, in a thread and behind a token if need be."""
    respond = endpoint.respond(resources)
    if endpoint.work is not None:
        respond = _in_thread(respond, endpoint.work)
    if tokens is not None and isinstance(endpoint.access, Scope):
        respond = _with_token(respond, endpoint.access, tokens)
    return respond


def _in_thread(respond: Respond, kind: WorkKind) -> Respond:
    def respond_in_thread(request: Request, **parameters: str) -> ReplyCoroutine:
        run = cast("Callable[[], Reply]", partial(respond, request, **parameters))
        reply: Reply = yield Work(run, kind)
        return reply

    return respond_in_thread


def _with_token(respond: Respond, scope: Scope, tokens: TokenFile) -> Respond:
    def respond_with_token(request: Request, **parameters: str) -> Reply | ReplyCoroutine:
        require_token(request, scope, tokens)
        return respond(request, **parameters)

    return respond_with_token


def _options(methods: Iterable[str]) -> Respond:
    """Make the function that answers OPTIONS."""
    allow = _allow(methods)

    def respond(_request: Request, **_parameters: str) -> Reply:
        return Reply(HTTPStatus.NO_CONTENT, headers=(("Allow", allow),))

    return respond


def _allow(methods: Iterable[str]) -> str:
    """Write an Allow header: GET includes HEAD, and every path has OPTIONS."""
    allowed = {*methods, "OPTIONS"}
    return ", ".join(sorted(allowed | {"HEAD"} if "GET" in allowed else allowed))


def _health(_request: Request) -> Reply:
    return Reply(HTTPStatus.OK, b'{"status":"ok"}', "application/json")
