"""Amounts: exact, never rounded, and as the decimal module reads them."""

import re
from decimal import Decimal
from typing import Final

from orders_core import Amount, InvalidOrder
from tests.fuzz.target import Target

# RFC 8259, section 6.
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_MAX_LENGTH: Final = 32
_MAX_EXPONENT: Final = 40
_MAX: Final = Decimal("9999999999999.99")


def check(content: bytes) -> None:
    """Read an amount from text, and compare it with the decimal module."""
    text = content.decode(errors="surrogateescape")
    expected = _by_decimal(text)
    try:
        amount = Amount(text)
    except InvalidOrder as error:
        assert expected is None, "an amount was refused"
        assert str(error).isprintable()
        return
    assert expected is not None, "what is no amount was accepted"
    assert amount.value == expected
    assert amount == Amount(expected) == Amount.from_cents(int(expected * 100))
    assert Amount(str(amount)) == amount
    assert re.fullmatch(r"[0-9]{1,13}\.[0-9]{2}", str(amount))


def _by_decimal(text: str) -> Decimal | None:
    number = _NUMBER.fullmatch(text)
    if number is None or len(text) > _MAX_LENGTH:
        return None
    digits = text.lower().partition("e")[0]
    if not digits.strip("-0."):
        return Decimal(0)
    # More than any amount can have: the other digits are at most 31.
    if abs(int((number[3] or "e0")[1:])) > _MAX_EXPONENT:
        return None
    value = Decimal(text)
    return value if 0 <= value <= _MAX and value * 100 == int(value * 100) else None


TARGET: Final = Target(
    check=check,
    seeds=(b"12.30", b"0", b"-0", b"1e2", b"1230e-2", b"9999999999999.99", b"1.005", b"1.000"),
    words=(
        *(b"e", b"E+", b"e-", b"-", b".", b"00", b"99999", b"0.0", b"\xd9\xa1", b" ", b"_"),
        *(b"Infinity", b"NaN", b"0x"),
    ),
    max_bytes=40,
    share=15,
)
