"""Exact money: an amount with two decimal places, never a float."""

import re
from decimal import Decimal
from typing import Final

from attrs import field, frozen

from orders_core.errors import InvalidOrder, Violation

MAX_AMOUNT_LENGTH: Final = 32
"""Most characters that a written amount may have."""

MAX_CENTS: Final = 999_999_999_999_999
"""The largest amount in hundredths: its 15 digits survive a reader that uses doubles."""

_DECIMAL_PLACES: Final = 2
# The grammar of a JSON number (RFC 8259, section 6), ASCII digits only.
_WRITTEN: Final = re.compile(
    r"(?P<sign>-?)(?P<whole>0|[1-9][0-9]*)(?:\.(?P<fraction>[0-9]+))?"
    r"(?:[eE](?P<exponent>[+-]?[0-9]+))?",
)

_WHOLE: Final = f"(?:0|[1-9][0-9]{{0,{len(str(MAX_CENTS)) - _DECIMAL_PLACES - 1}}})"
AMOUNT_PATTERN: Final = rf"{_WHOLE}(?:\.[0-9]{{1,{_DECIMAL_PLACES}}})?"
"""Regular expression for amounts without sign and exponent that need no rounding."""

# Nearly all amounts are written like this.
_WRITTEN_EXACTLY: Final = re.compile(rf"{_WHOLE}\.[0-9]{{{_DECIMAL_PLACES}}}")


def _invalid(message: str) -> InvalidOrder:
    return InvalidOrder(Violation("amount", message))


def _cents_of_text(text: str) -> int:
    if len(text) > MAX_AMOUNT_LENGTH:
        raise _invalid(f"is longer than {MAX_AMOUNT_LENGTH} characters")
    written = _WRITTEN.fullmatch(text)
    if written is None:
        raise _invalid("is not a decimal number such as 12.30")
    fraction = written["fraction"] or ""
    exponent = int(written["exponent"] or "0") - len(fraction)
    return _cents_of_digits(bool(written["sign"]), written["whole"] + fraction, exponent)


def _cents_of_decimal(value: Decimal) -> int:
    """Read a Decimal as hundredths through its own digits, whatever the context's precision."""
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise _invalid("is not a finite number")
    if len(digits) > MAX_AMOUNT_LENGTH:
        raise _invalid(f"has more than {MAX_AMOUNT_LENGTH} digits")
    return _cents_of_digits(bool(sign), "".join(map(str, digits)), exponent)


def _cents_of_digits(negative: bool, digits: str, exponent: int) -> int:  # noqa: FBT001 - a sign
    """Convert digits x 10**exponent to hundredths.

    There are few digits, and the exponent is capped before any number is built from it:
    `1e2000000` costs no more than `1`.
    """
    digits = digits.lstrip("0")
    if not digits:
        return 0
    if negative:
        return _bounded(-1)
    shift = exponent + _DECIMAL_PLACES
    if shift < 0:
        if digits[shift:].strip("0"):
            raise _invalid("has more than two decimal places; it is never rounded")
        return _bounded(int(digits[:shift]))
    return _bounded(int(digits) * 10 ** min(shift, MAX_AMOUNT_LENGTH))


def _bounded(cents: int) -> int:
    if cents < 0:
        raise _invalid("is negative; it must be 0.00 or more")
    if cents > MAX_CENTS:
        raise _invalid(f"is more than {decimal_of_cents(MAX_CENTS)}")
    return cents


def _exact(value: "Decimal | int | str") -> Decimal:
    if isinstance(value, str):
        if _WRITTEN_EXACTLY.fullmatch(value):
            return Decimal(value)
        cents = _cents_of_text(value)
    elif isinstance(value, Decimal):
        cents = _cents_of_decimal(value)
    elif isinstance(value, bool) or not isinstance(value, int):
        # bool is an int to Python; a float has already lost the exact amount.
        raise _invalid(f"must be a Decimal, an int or a str, not {type(value).__name__}")
    else:
        cents = _bounded(value * 10**_DECIMAL_PLACES)
    return decimal_of_cents(cents)


def decimal_of_cents(cents: int) -> Decimal:
    """Convert hundredths to a Decimal with exactly two places, exact at any size.

    Args:
        cents: Hundredths, 0 or more.
    """
    whole, hundredths = divmod(cents, 10**_DECIMAL_PLACES)
    return Decimal(f"{whole}.{hundredths:02d}")


@frozen(order=True)
class Amount:
    """An amount of money: 0.00 to 9999999999999.99, exact, with two decimal places.

    `Amount("12.3")`, `Amount(Decimal("12.30"))` and `Amount("1230e-2")` are equal. More than two
    decimal places are refused, never rounded, unless the others are zeros. A written amount
    follows the grammar of a JSON number and has at most 32 characters.

    Attributes:
        value: The amount as a Decimal whose exponent is -2.

    Raises:
        InvalidOrder: The value is not such an amount. A float is refused, since it is not exact.
    """

    value: Decimal = field(converter=_exact)

    @classmethod
    def from_cents(cls, cents: int) -> "Amount":
        """Make an amount from hundredths, 0 to 999999999999999.

        Raises:
            InvalidOrder: The number is out of range, or not an int.
        """
        if isinstance(cents, bool) or not isinstance(cents, int):
            raise _invalid(f"must be an int of hundredths, not {type(cents).__name__}")
        amount = cls.__new__(cls)
        # It is exact already; the initialiser would parse the Decimal again.
        object.__setattr__(amount, "value", decimal_of_cents(_bounded(cents)))
        return amount

    @property
    def cents(self) -> int:
        """The amount in hundredths, exact."""
        return int(str(self).replace(".", ""))

    def __str__(self) -> str:
        """Write with exactly two decimals and no exponent: `12.30`."""
        # Never in exponent notation, since the exponent of the value is -2.
        return str(self.value)
