"""The page's view: the data that the template shows, and its rendering.

The template `templates/page.html` has all the words and escapes every value. The only style that
the page's Content-Security-Policy allows is `templates/style.css`.
"""

import base64
import hashlib
from collections.abc import Mapping
from decimal import Decimal
from http import HTTPStatus
from importlib.resources import files
from typing import Any, Final
from urllib.parse import urlencode

import bottle
from attrs import field, frozen

from orders_core import Order, Totals
from orders_core.characters import (
    invisible_names,
    is_invisible,
    name_of,
    split_invisible,
    without_invisible,
)
from orders_http.api.http_messages import Reply
from orders_http.api.page.forms import OrderForm
from orders_http.api.problems import Problem, ProblemType
from orders_tokens import Scope, Token

_HTML: Final = "text/html; charset=utf-8"


@frozen(kw_only=True)
class View:
    """The data that the template shows.

    Attributes:
        root: The path under which the application is mounted.
        visitor: The visitor's token; None when no token is required or the visitor has not
            logged in.
        log_in_required: Whether a token is required and the visitor has not logged in.
        unknown_token: Whether the visitor tried to log in with an unknown token.
        order_not_sent: Whether an order was refused because the visitor was not logged in.
        form: The text in the form's fields.
        errors: The error of each form field, as a phrase that follows the field's name.
        stored: The order that the form has just stored.
        looked_up: The id that was looked up; None when the page shows a list.
        invalid_id: Why no order can have the id that was looked up.
        orders: The orders on the page: a list, or the one that was looked up.
        previous_link: The link to the previous page.
        next_link: The link to the next page.
        is_after_start: Whether the page starts after the first order.
        totals: Count and sum of all orders; None without a list, or when computing them failed.
        store_unavailable: Whether the store is unavailable.
        outcome_unknown: Whether the order in the form may or may not have been stored.
        problem: Why the request was refused.
    """

    root: str
    visitor: Token | None = None
    log_in_required: bool = False
    unknown_token: bool = False
    order_not_sent: bool = False
    form: OrderForm = field(factory=OrderForm)
    errors: Mapping[str, str] = field(factory=dict)
    stored: Order | None = None
    looked_up: str | None = None
    invalid_id: str | None = None
    orders: tuple[Order, ...] = ()
    previous_link: str | None = None
    next_link: str | None = None
    is_after_start: bool = False
    totals: Totals | None = None
    store_unavailable: bool = False
    outcome_unknown: bool = False
    problem: Problem | None = None

    @property
    def suggested_id(self) -> str:
        """The id that was looked up, without invisible characters; empty if that is the same."""
        visible = without_invisible(self.looked_up or "").strip()
        return "" if visible == self.looked_up else visible

    @property
    def can_store(self) -> bool:
        """Whether the visitor may store orders."""
        return self.visitor is None or Scope.WRITE in self.visitor.scopes


class Renderer:
    """Renders views. Reads the template, the style sheet and the icon once.

    Attributes:
        icon: The icon, as SVG.
    """

    def __init__(self, currency: str) -> None:
        """Read the files and compile the template.

        Args:
            currency: The ISO 4217 code shown after amounts.
        """
        folder = files(__package__) / "templates"
        self.icon = (folder / "favicon.svg").read_bytes()
        style = (folder / "style.css").read_text("utf-8")
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src 'self'; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        self._headers = (
            ("Content-Security-Policy", policy),
            # Under no-referrer, browsers would send `Origin: null` with the page's own form.
            ("Referrer-Policy", "same-origin"),
            ("Cache-Control", "no-store"),
        )
        self._template = bottle.SimpleTemplate((folder / "page.html").read_text("utf-8"))
        _ = self._template.co  # Bottle would compile it at the first request.
        self._globals: Mapping[str, Any] = {
            "currency": currency,
            "style": style,
            "grouped": _grouped,
            "split_invisible": split_invisible,
            "is_invisible": is_invisible,
            "name_of": name_of,
            "invisible_names": invisible_names,
            "urlencode": urlencode,
            "FOREIGN_ORIGIN": ProblemType.FOREIGN_ORIGIN,
        }

    def page(self, status: HTTPStatus, view: View, *headers: tuple[str, str]) -> Reply:
        """Answer with the page."""
        text = self._template.render(self._globals, view=view)
        return Reply(status, text.encode(), _HTML, (*headers, *self._headers))

    def redirect(self, location: str, *headers: tuple[str, str]) -> Reply:
        """Answer a form with a redirect to a page."""
        all_headers = (("Location", location), *headers, *self._headers)
        return Reply(HTTPStatus.SEE_OTHER, b"", _HTML, all_headers)


def _grouped(number: Decimal | int) -> list[str]:
    """Split a number into groups of three digits.

    The style sheet spaces them without a character, so that a copied number is plain.
    """
    return f"{number:,}".split(",")
