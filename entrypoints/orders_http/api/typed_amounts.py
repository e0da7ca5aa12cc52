"""Amounts as people type them into the form: with a decimal comma where it can be nothing else."""

import re
from typing import Final

from orders_core import InvalidOrder, Violation

_ONE_COMMA: Final = re.compile(r"(-?[0-9]*),([0-9]*)")
# Three digits behind one comma or point, and what a thousands separator may stand behind.
_AMBIGUOUS: Final = re.compile(r"([1-9][0-9]{0,2})[,.]([0-9]{3})")
# Digits in groups, by whatever people group them: 1.234,50 or 1 234.50 or 1'234'567.
_GROUPED: Final = re.compile(r"-?[0-9]{1,3}(?:[.,'\u2019_\s][0-9]{3})+(?:[.,][0-9]*)?")


def plain_amount(text: str) -> str:
    """Write what was typed with a point, as `Amount` takes it.

    What is no number stays as it is: `Amount` says what is wrong with it.

    Raises:
        InvalidOrder: It can be read in two ways, or has thousands separators.
    """
    ambiguous = _AMBIGUOUS.fullmatch(text)
    if ambiguous is not None:
        whole, point = "".join(ambiguous.groups()), f"{ambiguous[1]}.{ambiguous[2][:2]}"
        raise _wrong(
            f"can be read in two ways; type {whole} without a separator, or not more than two "
            f"decimals, such as {point}"
        )
    comma = _ONE_COMMA.fullmatch(text)
    if comma is not None:
        return f"{comma[1]}.{comma[2]}"
    # One separator alone was looked at above; a point with other decimals is no grouping.
    if _GROUPED.fullmatch(text) and not re.fullmatch(r"-?[0-9]+\.[0-9]+", text):
        raise _wrong("has a thousands separator; leave it out, as in 1234.50")
    return text


def _wrong(message: str) -> InvalidOrder:
    return InvalidOrder(Violation("amount", message))
