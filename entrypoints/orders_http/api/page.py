"""The page: the stored orders as a person likes to see them.

It is made on the server and needs no script. All its words are in `templates/page.html`, which
escapes every value; all its looks are in `templates/style.css`, the one style that the page's
Content-Security-Policy allows.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from http import HTTPStatus
from importlib.resources import files
from typing import Any, Final
from urllib.parse import quote, urlencode

import bottle
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
from orders_core.characters import (
    invisible_names,
    is_invisible,
    name_of,
    split_invisible,
    without_invisible,
)
from orders_http.api.authentication import CHALLENGE, insufficient
from orders_http.api.messages import KIB, Reply, Request, read_form
from orders_http.api.orders import cursor_of_id, id_of_cursor
from orders_http.api.origins import refuse_foreign_form
from orders_http.api.problems import Problem, ProblemType
from orders_http.api.sessions import Sessions
from orders_http.api.typed_amounts import plain_amount
from orders_tokens import Scope, Token, TokenFile

PAGE_SIZE: Final = 50
"""Orders that one page shows."""

_HTML: Final = "text/html; charset=utf-8"
_MAX_FORM_BYTES: Final = 64 * KIB
_FORM_TYPE: Final = "application/x-www-form-urlencoded"
_PARAMETERS: Final = ("after", "before", "id", "stored")


@frozen
class _Design:
    """What the page is made with, read from this package's files once.

    Attributes:
        template: Bottle's template of the page, compiled.
        style: The text of its style sheet.
        icon: The icon, as SVG.
        headers: The headers of each of the page's answers.
    """

    template: Any
    style: str
    icon: bytes
    headers: tuple[tuple[str, str], ...]


def _read_design() -> _Design:
    folder = files(__package__) / "templates"
    template = bottle.SimpleTemplate((folder / "page.html").read_text("utf-8"))
    _ = template.co  # Bottle would compile it at the first request.
    style = (folder / "style.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    headers = (
        ("Content-Security-Policy", policy),
        # Under no-referrer browsers send `Origin: null` with our own form.
        ("Referrer-Policy", "same-origin"),
        ("Cache-Control", "no-store"),
    )
    return _Design(template, style, (folder / "favicon.svg").read_bytes(), headers)


@frozen
class _Typed:
    """What stands in the fields of the form that creates an order."""

    id: str = ""
    amount: str = ""


@frozen(kw_only=True)
class _View:
    """What the template shows.

    Attributes:
        root: The path under which the application is mounted.
        visitor: The token that who looks at the page has logged in with; None when the page asks
            for none, or nobody has logged in.
        locked: Whether a token is asked for, and nobody has logged in.
        unknown: Whether what was given to log in with is no token.
        unsent: Whether an order was sent by somebody who was not logged in.
        typed: What stands in the form.
        errors: By a field's name, what is wrong with it, as a phrase that follows the name.
        stored: The order that the form has just stored.
        sought: The id that was looked up; None when the page shows a list.
        impossible: Why no order can have the id that was looked up.
        orders: Those of the list, or the one that was looked up.
        previous: The link to the orders before these.
        following: The link to the orders behind these.
        onwards: Whether the list was entered somewhere behind its beginning.
        totals: The count and the sum of all orders; None when the page shows no list, or when
            they could not be had in time.
        away: Whether the store could not be reached.
        unsure: Whether it is therefore unknown if the order in the form is stored.
        problem: Why the request was refused.
    """

    root: str
    visitor: Token | None = None
    locked: bool = False
    unknown: bool = False
    unsent: bool = False
    typed: _Typed = _Typed()
    errors: Mapping[str, str] = field(factory=dict)
    stored: Order | None = None
    sought: str | None = None
    impossible: str | None = None
    orders: tuple[Order, ...] = ()
    previous: str | None = None
    following: str | None = None
    onwards: bool = False
    totals: Totals | None = None
    away: bool = False
    unsure: bool = False
    problem: Problem | None = None

    @property
    def sought_otherwise(self) -> str:
        """The id that was looked up without what may not show; empty when that is no other id."""
        visible = without_invisible(self.sought or "").strip()
        return "" if visible == self.sought else visible

    @property
    def may_store(self) -> bool:
        """Whether the form that creates an order is of use."""
        return self.visitor is None or Scope.WRITE in self.visitor.scopes


@frozen
class OrdersPage:
    """Handlers of `/`, its log-in and its icon.

    Attributes:
        store: Where the orders are kept.
        currency: The ISO 4217 code that stands behind amounts.
        tokens: The tokens to log in with; None when nobody needs to.
    """

    store: OrderStore
    currency: str
    tokens: TokenFile | None = None
    _sessions: Sessions | None = field(init=False, repr=False)
    _design: _Design = field(init=False, factory=_read_design, repr=False)

    @_sessions.default
    def _of_tokens(self) -> Sessions | None:
        return None if self.tokens is None else Sessions(self.tokens)

    def show(self, request: Request) -> Reply:
        """Show a page of the orders, the one that was looked up, or the one just stored."""
        begun = view = self._begun(request)
        if view.locked:
            return self._asking_for_token(view)
        try:
            _refuse_without(Scope.READ, view)
            query = _read_query(request)
            after, before = _cursor(query, "after"), _cursor(query, "before")
        except Problem as problem:
            return self._refused(view, problem)
        sought = query.get("id", query.get("stored"))
        try:
            if sought is not None:
                view = self._looked_up(view, sought.strip())
            if "stored" in query and view.orders:
                view = evolve(view, stored=view.orders[0], sought=None)
            if view.sought is None:
                view = self._listed(view, after, before)
        except StoreUnavailable:
            return self._away(evolve(begun, away=True))
        missing = view.sought is not None and not view.orders
        return self._reply(HTTPStatus.NOT_FOUND if missing else HTTPStatus.OK, view)

    def create(self, request: Request) -> Reply:
        """Store the order that was typed into the form, then show it by a redirect."""
        view = self._begun(request)
        try:
            refuse_foreign_form(request)
        except Problem as problem:
            return self._refused(_with_what_was_typed(view, request), problem)
        try:
            if view.locked:
                return self._asking_for_token(evolve(view, unsent=True))
            # The answer shows orders too.
            _refuse_without(Scope.READ, view)
            _refuse_without(Scope.WRITE, view)
            view = evolve(view, typed=_read_typed(request))
        except Problem as problem:
            return self._refused(view, problem)
        try:
            order = _typed_order(view.typed)
            place(self.store, order)
        except InvalidOrder as error:
            errors = {each.field: each.message for each in error.violations}
            return self._not_stored(HTTPStatus.UNPROCESSABLE_ENTITY, evolve(view, errors=errors))
        except OrderConflict:
            errors = {"id": "is taken by an order with another amount; choose another id"}
            conflict = evolve(view, errors=errors, sought=order.id.value)
            return self._not_stored(HTTPStatus.CONFLICT, conflict)
        except StoreUnavailable:
            return self._away(evolve(view, away=True, unsure=True))
        return self._redirected(f"{request.root}/?stored={quote(order.id.value, safe='')}")

    def show_log_in(self, request: Request) -> Reply:
        """Show the form that asks for a token."""
        _ = self._required_sessions()
        return self._reply(HTTPStatus.OK, _View(root=request.root, locked=True))

    def log_in(self, request: Request) -> Reply:
        """Begin a session with the token that was typed into the form."""
        sessions = self._required_sessions()
        view = _View(root=request.root, locked=True)
        try:
            refuse_foreign_form(request)
            secret = _read_secret(request)
        except Problem as problem:
            return self._refused(view, problem)
        token = sessions.tokens.find(secret)
        if token is None:
            return self._asking_for_token(evolve(view, unknown=True))
        return self._redirected(f"{request.root}/", sessions.begin(token, secret, request))

    def log_out(self, request: Request) -> Reply:
        """End the session."""
        sessions = self._required_sessions()
        try:
            refuse_foreign_form(request)
        except Problem as problem:
            return self._refused(self._begun(request), problem)
        return self._redirected(f"{request.root}/login", *sessions.end(request))

    def refused(self, request: Request, problem: Problem) -> Reply:
        """Tell a person what is wrong with a request, whatever it was for."""
        return self._refused(_View(root=request.root), problem)

    def icon(self, request: Request) -> Reply:
        """Give the icon that stands in the page's head and in the browser's tab."""
        headers = (("Cache-Control", "public, max-age=86400"),)
        return request.answered_conditionally(
            Reply(HTTPStatus.OK, self._design.icon, "image/svg+xml", headers),
        )

    def _required_sessions(self) -> Sessions:
        """Give the sessions.

        Raises:
            Problem: 404 when nobody needs to log in.
        """
        if self._sessions is None:
            raise Problem(ProblemType.NOT_FOUND, "this service asks for no token")
        return self._sessions

    def _begun(self, request: Request) -> _View:
        """Begin a view, with who looks at it."""
        if self._sessions is None:
            return _View(root=request.root)
        visitor = self._sessions.token(request)
        return _View(root=request.root, visitor=visitor, locked=visitor is None)

    def _looked_up(self, view: _View, text: str) -> _View:
        view = evolve(view, sought=text)
        try:
            return evolve(view, orders=(find(self.store, OrderId.of_stored(text)),))
        except InvalidOrder as error:
            return evolve(view, impossible=error.violations[0].message)
        except OrderNotFound:
            return view

    def _listed(self, view: _View, after: OrderId | None, before: OrderId | None) -> _View:
        found = page(self.store, PAGE_SIZE, after=after, before=before)
        if before is not None and not found.orders:
            # Somebody came back to the beginning: show it whole.
            found = page(self.store, PAGE_SIZE)
        return evolve(
            view,
            orders=found.orders,
            # Orders are never removed: counted now, there are at least as many as are shown.
            totals=self._totals(),
            onwards=found.has_previous,
            previous=_link(view, "before", found.orders[:1] if found.has_previous else ()),
            following=_link(view, "after", found.orders[-1:] if found.has_next else ()),
        )

    def _totals(self) -> Totals | None:
        """Count and sum, unless that takes too long: then the list stands without it."""
        try:
            return totals(self.store)
        except StoreUnavailable:
            return None

    def _not_stored(self, status: HTTPStatus, view: _View) -> Reply:
        """Show the form again, with what was typed.

        Beside it stand the orders, or the one in conflict, when they can be reached.
        """
        try:
            if view.sought is None:
                view = self._listed(view, None, None)
            else:
                view = self._looked_up(view, view.sought)
        except StoreUnavailable:
            view = evolve(view, away=True)
        return self._reply(status, view)

    def _away(self, view: _View) -> Reply:
        problem = Problem.unavailable()
        return self._reply(problem.type.status, view, *problem.headers)

    def _redirected(self, location: str, *headers: tuple[str, str]) -> Reply:
        all_headers = (("Location", location), *headers, *self._design.headers)
        return Reply(HTTPStatus.SEE_OTHER, b"", _HTML, all_headers)

    def _asking_for_token(self, view: _View) -> Reply:
        return self._reply(HTTPStatus.UNAUTHORIZED, view, CHALLENGE)

    def _refused(self, view: _View, problem: Problem) -> Reply:
        return self._reply(problem.type.status, evolve(view, problem=problem), *problem.headers)

    def _reply(self, status: HTTPStatus, view: _View, *headers: tuple[str, str]) -> Reply:
        text = self._design.template.render(
            view=view,
            currency=self.currency,
            style=self._design.style,
            grouped=_grouped,
            split_invisible=split_invisible,
            is_invisible=is_invisible,
            name_of=name_of,
            invisible_names=invisible_names,
            urlencode=urlencode,
            FOREIGN_ORIGIN=ProblemType.FOREIGN_ORIGIN,
        )
        return Reply(
            status,
            text.encode(),
            _HTML,
            (*headers, *self._design.headers),
        )


def _grouped(number: Decimal | int) -> list[str]:
    """Cut a number into groups of three digits.

    The style sets them apart without a character, so that a copied number is plain.
    """
    return f"{number:,}".split(",")


def _link(view: _View, parameter: str, edge: Sequence[Order]) -> str | None:
    """Link to the orders beyond the one at the list's edge, when there is one."""
    if not edge:
        return None
    return f"{view.root}/?{parameter}={cursor_of_id(edge[0].id)}"


def _read_query(request: Request) -> Mapping[str, str]:
    query = request.query_of(_PARAMETERS)
    if len(query) > 1:
        raise Problem(
            ProblemType.INVALID_QUERY,
            f"{' and '.join(sorted(query))} do not go together; send one of them",
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
            f"{name} is no place in the list; follow the links under the list to move in it",
        ) from None


def _refuse_without(scope: Scope, view: _View) -> None:
    """Refuse a visitor whose token does not allow this.

    Raises:
        Problem: 403.
    """
    if view.visitor is not None and scope not in view.visitor.scopes:
        raise insufficient(scope)


def _read_typed(request: Request) -> _Typed:
    """Read the form. An id or an amount never begins or ends with white space: it is dropped."""
    content = _form_content(request)
    values = read_form(content, ("id", "amount"), ProblemType.MALFORMED_BODY)
    return _Typed(values.get("id", "").strip(), values.get("amount", "").strip())


def _with_what_was_typed(view: _View, request: Request) -> _View:
    """Keep what stands in the form that is refused, when its sender may store orders at all."""
    if view.locked or not view.may_store:
        return view
    try:
        return evolve(view, typed=_read_typed(request))
    except Problem:
        return view  # It is refused already, and that is told.


def _typed_order(typed: _Typed) -> Order:
    """Make the order that was typed.

    Raises:
        InvalidOrder: With everything that is wrong.
    """
    try:
        amount = plain_amount(typed.amount)
    except InvalidOrder as error:
        try:
            Order.parse(typed.id, "0")
        except InvalidOrder as wrong_id:
            raise InvalidOrder(*wrong_id.violations, *error.violations) from None
        raise
    return Order.parse(typed.id, amount)


def _read_secret(request: Request) -> str:
    """Read the form that asks for a token."""
    content = _form_content(request)
    try:
        values = read_form(content, ("token",), ProblemType.MALFORMED_BODY)
    except Problem:
        # Not in its own words: they repeat names, and a token may stand where a name belongs.
        raise Problem(ProblemType.MALFORMED_BODY, "the form is not the one field token") from None
    return values.get("token", "").strip()


def _form_content(request: Request) -> bytes:
    named = request.media_type()
    if named != _FORM_TYPE:
        raise Problem(
            ProblemType.UNSUPPORTED_MEDIA_TYPE,
            f"Content-Type is {named or 'missing'}; the form's is {_FORM_TYPE}",
        )
    return request.body(_MAX_FORM_BYTES)
