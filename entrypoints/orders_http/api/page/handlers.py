"""The page's handlers: show and look up orders, store one, log in and out."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from attrs import evolve, field, frozen

from orders_core import (
    InvalidOrder,
    Order,
    OrderConflict,
    OrderId,
    OrderNotFound,
    OrderStore,
    StoreUnavailable,
    Totals,
    find,
    page,
    place,
    totals,
)
from orders_http.api.authentication import CHALLENGE, insufficient_scope
from orders_http.api.cursors import cursor_of_id, id_of_cursor
from orders_http.api.http_messages import Reply, Request
from orders_http.api.page.csrf import refuse_foreign_form
from orders_http.api.page.forms import read_log_in_form, read_order_form
from orders_http.api.page.sessions import Sessions
from orders_http.api.page.view import Renderer, View
from orders_http.api.problems import Problem, ProblemType
from orders_tokens import Scope, TokenFile

PAGE_SIZE: Final = 50
"""Orders on one page."""

_PARAMETERS: Final = ("after", "before", "id", "stored")


@frozen
class OrdersPage:
    """Handlers of `/`, `/login`, `/logout` and the icon.

    Attributes:
        store: The store of the orders.
        currency: The ISO 4217 code shown after amounts.
        tokens: The tokens to log in with; None when no token is required.
    """

    store: OrderStore
    currency: str
    tokens: TokenFile | None = None
    _sessions: Sessions | None = field(init=False, repr=False)
    _renderer: Renderer = field(init=False, repr=False)

    @_sessions.default
    def _make_sessions(self) -> Sessions | None:
        return None if self.tokens is None else Sessions(self.tokens)

    @_renderer.default
    def _make_renderer(self) -> Renderer:
        return Renderer(self.currency)

    def show(self, request: Request) -> Reply:
        """Show a page of orders, the one that was looked up, or the one just stored."""
        empty = view = self._view(request)
        if view.log_in_required:
            return self._ask_for_token(view)
        try:
            _require_scope(Scope.READ, view)
            query = _read_query(request)
            after, before = _cursor(query, "after"), _cursor(query, "before")
        except Problem as problem:
            return self._refused(view, problem)
        looked_up = query.get("id", query.get("stored"))
        try:
            if looked_up is not None:
                view = self._with_order(view, looked_up.strip())
            if "stored" in query and view.orders:
                view = evolve(view, stored=view.orders[0], looked_up=None)
            if view.looked_up is None:
                view = self._with_list(view, after, before)
        except StoreUnavailable:
            return self._unavailable(evolve(empty, store_unavailable=True))
        not_found = view.looked_up is not None and not view.orders
        return self._renderer.page(HTTPStatus.NOT_FOUND if not_found else HTTPStatus.OK, view)

    def create(self, request: Request) -> Reply:
        """Store the order in the form, then redirect to the page that shows it."""
        view = self._view(request)
        try:
            refuse_foreign_form(request)
        except Problem as problem:
            return self._refused(_with_form(view, request), problem)
        try:
            if view.log_in_required:
                return self._ask_for_token(evolve(view, order_not_sent=True))
            # The response shows orders too.
            _require_scope(Scope.READ, view)
            _require_scope(Scope.WRITE, view)
            view = evolve(view, form=read_order_form(request))
        except Problem as problem:
            return self._refused(view, problem)
        try:
            order = view.form.order()
            place(self.store, order)
        except InvalidOrder as error:
            errors = {each.field: each.message for each in error.violations}
            return self._not_stored(HTTPStatus.UNPROCESSABLE_ENTITY, evolve(view, errors=errors))
        except OrderConflict:
            errors = {"id": "is taken by an order with another amount; choose another id"}
            conflict = evolve(view, errors=errors, looked_up=order.id.value)
            return self._not_stored(HTTPStatus.CONFLICT, conflict)
        except StoreUnavailable:
            return self._unavailable(evolve(view, store_unavailable=True, outcome_unknown=True))
        location = f"{request.root}/?stored={quote(order.id.value, safe='')}"
        return self._renderer.redirect(location)

    def show_log_in(self, request: Request) -> Reply:
        """Show the log-in form."""
        _ = self._required_sessions()
        return self._renderer.page(HTTPStatus.OK, View(root=request.root, log_in_required=True))

    def log_in(self, request: Request) -> Reply:
        """Begin a session with the token in the form."""
        sessions = self._required_sessions()
        view = View(root=request.root, log_in_required=True)
        try:
            refuse_foreign_form(request)
            secret = read_log_in_form(request)
        except Problem as problem:
            return self._refused(view, problem)
        token = sessions.tokens.find(secret)
        if token is None:
            return self._ask_for_token(evolve(view, unknown_token=True))
        cookie = sessions.begin(token, secret, request)
        return self._renderer.redirect(f"{request.root}/", cookie)

    def log_out(self, request: Request) -> Reply:
        """End the session."""
        sessions = self._required_sessions()
        try:
            refuse_foreign_form(request)
        except Problem as problem:
            return self._refused(self._view(request), problem)
        return self._renderer.redirect(f"{request.root}/login", *sessions.end(request))

    def refused(self, request: Request, problem: Problem) -> Reply:
        """Show a person why any request was refused."""
        return self._refused(View(root=request.root), problem)

    def icon(self, request: Request) -> Reply:
        """Answer with the icon of the page's header and the browser's tab."""
        headers = (("Cache-Control", "public, max-age=86400"),)
        return request.answered_conditionally(
            Reply(HTTPStatus.OK, self._renderer.icon, "image/svg+xml", headers),
        )

    def _required_sessions(self) -> Sessions:
        """Return the sessions.

        Raises:
            Problem: 404 when the service requires no tokens.
        """
        if self._sessions is None:
            raise Problem(ProblemType.NOT_FOUND, "this service requires no tokens")
        return self._sessions

    def _view(self, request: Request) -> View:
        """Make an empty view for the visitor."""
        if self._sessions is None:
            return View(root=request.root)
        visitor = self._sessions.token(request)
        return View(root=request.root, visitor=visitor, log_in_required=visitor is None)

    def _with_order(self, view: View, text: str) -> View:
        """Add the order with an id, if there is one."""
        view = evolve(view, looked_up=text)
        try:
            return evolve(view, orders=(find(self.store, OrderId.of_stored(text)),))
        except InvalidOrder as error:
            return evolve(view, invalid_id=error.violations[0].message)
        except OrderNotFound:
            return view

    def _with_list(self, view: View, after: OrderId | None, before: OrderId | None) -> View:
        """Add a page of orders."""
        found = page(self.store, PAGE_SIZE, after=after, before=before)
        if before is not None and not found.orders:
            # The visitor went back beyond the first order: show the first page.
            found = page(self.store, PAGE_SIZE)
        return evolve(
            view,
            orders=found.orders,
            # Orders are never removed, so a later count is never less than what is shown.
            totals=self._totals(),
            is_after_start=found.has_previous,
            previous_link=_link(view, "before", found.orders[:1] if found.has_previous else ()),
            next_link=_link(view, "after", found.orders[-1:] if found.has_next else ()),
        )

    def _totals(self) -> Totals | None:
        """Compute the totals; None when the store fails, as the list is useful without them."""
        try:
            return totals(self.store)
        except StoreUnavailable:
            return None

    def _not_stored(self, status: HTTPStatus, view: View) -> Reply:
        """Show the form again with its text, and the orders or the conflicting one."""
        try:
            if view.looked_up is None:
                view = self._with_list(view, None, None)
            else:
                view = self._with_order(view, view.looked_up)
        except StoreUnavailable:
            view = evolve(view, store_unavailable=True)
        return self._renderer.page(status, view)

    def _unavailable(self, view: View) -> Reply:
        problem = Problem.unavailable()
        return self._renderer.page(problem.type.status, view, *problem.headers)

    def _ask_for_token(self, view: View) -> Reply:
        return self._renderer.page(HTTPStatus.UNAUTHORIZED, view, CHALLENGE)

    def _refused(self, view: View, problem: Problem) -> Reply:
        view = evolve(view, problem=problem)
        return self._renderer.page(problem.type.status, view, *problem.headers)


def _link(view: View, parameter: str, edge: Sequence[Order]) -> str | None:
    """Link to the orders before or after the one at the edge of the list, if there is one."""
    if not edge:
        return None
    return f"{view.root}/?{parameter}={cursor_of_id(edge[0].id)}"


def _read_query(request: Request) -> Mapping[str, str]:
    query = request.query_of(_PARAMETERS)
    if len(query) > 1:
        raise Problem(
            ProblemType.INVALID_QUERY,
            f"{' and '.join(sorted(query))} exclude each other; send one of them",
        )
    return query


def _cursor(query: Mapping[str, str], name: str) -> OrderId | None:
    if name not in query:
        return None
    try:
        return id_of_cursor(query[name])
    except Problem:
        raise Problem(
            ProblemType.INVALID_QUERY,
            f"{name} is not a position in the list; follow the links below the list instead",
        ) from None


def _require_scope(scope: Scope, view: View) -> None:
    """Refuse a visitor whose token lacks a scope.

    Raises:
        Problem: 403.
    """
    if view.visitor is not None and scope not in view.visitor.scopes:
        raise insufficient_scope(scope)


def _with_form(view: View, request: Request) -> View:
    """Keep the text of a refused form, if its sender may store orders."""
    if view.log_in_required or not view.can_store:
        return view
    try:
        return evolve(view, form=read_order_form(request))
    except Problem:
        return view  # The form is refused already, for a reason that matters more.
