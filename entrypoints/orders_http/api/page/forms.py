"""The page's forms: reads the fields, and accepts amounts as people type them."""

import re
from typing import Final

from attrs import frozen

from orders_core import InvalidOrder, Order, Violation
from orders_http.api.http_messages import KIB, Request, read_form
from orders_http.api.problems import Problem, ProblemType

_MAX_FORM_BYTES: Final = 64 * KIB
_FORM_TYPE: Final = "application/x-www-form-urlencoded"
_ONE_COMMA: Final = re.compile(r"(-?[0-9]*),([0-9]*)")
# Three digits after a single comma or point: a thousands separator or a decimal one.
_AMBIGUOUS: Final = re.compile(r"([1-9][0-9]{0,2})[,.]([0-9]{3})")
# Digits in groups with any common separator: 1.234,50 or 1 234.50 or 1'234'567.
_GROUPED: Final = re.compile(r"-?[0-9]{1,3}(?:[.,'\u2019_\s][0-9]{3})+(?:[.,][0-9]*)?")


@frozen
class OrderForm:
    """The text in the fields of the form that creates an order."""

    id: str = ""
    amount: str = ""

    def order(self) -> Order:
        """Make the order.

        Raises:
            InvalidOrder: With every violation.
        """
        try:
            amount = plain_amount(self.amount)
        except InvalidOrder as error:
            try:
                Order.parse(self.id, "0")
            except InvalidOrder as wrong_id:
                raise InvalidOrder(*wrong_id.violations, *error.violations) from None
            raise
        return Order.parse(self.id, amount)


def read_order_form(request: Request) -> OrderForm:
    """Read the form that creates an order, without white space around the values.

    Raises:
        Problem: 400, 413 or 415.
    """
    content = _form_content(request)
    values = read_form(content, ("id", "amount"), ProblemType.MALFORMED_BODY)
    return OrderForm(values.get("id", "").strip(), values.get("amount", "").strip())


def read_log_in_form(request: Request) -> str:
    """Read the token from the log-in form.

    Raises:
        Problem: 400, 413 or 415.
    """
    content = _form_content(request)
    try:
        values = read_form(content, ("token",), ProblemType.MALFORMED_BODY)
    except Problem:
        # The original message quotes field names, and a client may send its token as one.
        raise Problem(
            ProblemType.MALFORMED_BODY, "the form must have exactly one field, token"
        ) from None
    return values.get("token", "").strip()


def plain_amount(text: str) -> str:
    """Replace a decimal comma by a point, where it cannot mean anything else.

    Text that is not a number is returned unchanged, for `Amount` to report.

    Raises:
        InvalidOrder: The text can be read in two ways, or has thousands separators.
    """
    ambiguous = _AMBIGUOUS.fullmatch(text)
    if ambiguous is not None:
        whole, point = "".join(ambiguous.groups()), f"{ambiguous[1]}.{ambiguous[2][:2]}"
        raise _invalid_amount(
            f"can be read in two ways; type {whole} without a separator, or at most two decimals, "
            f"such as {point}"
        )
    comma = _ONE_COMMA.fullmatch(text)
    if comma is not None:
        return f"{comma[1]}.{comma[2]}"
    # A single separator is handled above; a point with other decimals does not group digits.
    if _GROUPED.fullmatch(text) and not re.fullmatch(r"-?[0-9]+\.[0-9]+", text):
        raise _invalid_amount("has a thousands separator; leave it out, as in 1234.50")
    return text


def _invalid_amount(message: str) -> InvalidOrder:
    return InvalidOrder(Violation("amount", message))


def _form_content(request: Request) -> bytes:
    media_type = request.media_type()
    if media_type != _FORM_TYPE:
        raise Problem(
            ProblemType.UNSUPPORTED_MEDIA_TYPE,
            f"Content-Type is {media_type or 'missing'}; the form needs {_FORM_TYPE}",
        )
    return request.body(_MAX_FORM_BYTES)
