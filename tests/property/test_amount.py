"""Amounts against fractions, which are exact by another way."""

import json
from decimal import Context, Decimal, localcontext
from fractions import Fraction

from hypothesis import assume, example, given
from hypothesis import strategies as st

from orders_core import MAX_AMOUNT_LENGTH, MAX_CENTS, Amount, InvalidOrder
from tests.strategies import amounts

# Exponents have at most two digits: a Fraction of more would take long to build.
NUMBERS = st.from_regex(
    r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?",
    fullmatch=True,
)
NEARLY_NUMBERS = st.text("0123456789.eE+-_ xN\u0663\n", max_size=MAX_AMOUNT_LENGTH)


def amount_or_none(value: Decimal | int | str) -> Amount | None:
    try:
        return Amount(value)
    except InvalidOrder:
        return None


def cents_or_none(value: Fraction) -> int | None:
    """Compute the expected amount for a value, in hundredths; None if it is not acceptable."""
    cents = value * 100
    return int(cents) if 0 <= cents <= MAX_CENTS and cents.denominator == 1 else None


def judged(value: Decimal | int | str) -> int | None:
    amount = amount_or_none(value)
    return None if amount is None else amount.cents


def is_json_number(text: str) -> bool:
    try:
        value = json.loads(text)
    except ValueError:
        return False
    return type(value) in {int, float} and text == text.strip() and "N" not in text


@given(NUMBERS)
@example("1.005")
@example("-0.00")
@example("9999999999999.99")
@example("9999999999999.990")
@example("9999999999999.991")
@example("10000000000000")
def test_a_written_number_is_accepted_exactly_when_it_is_an_amount(text: str) -> None:
    expected = cents_or_none(Fraction(text)) if len(text) <= MAX_AMOUNT_LENGTH else None
    assert judged(text) == expected


@given(st.integers(1, MAX_CENTS), st.integers(0, 8))
def test_one_value_is_one_amount_however_it_is_written(cents: int, zeros: int) -> None:
    whole, hundredths = divmod(cents, 100)
    for text in (
        f"{whole}.{hundredths:02d}{'0' * zeros}",
        f"{cents}{'0' * zeros}e{-2 - zeros}",
        f"0.{'0' * zeros}{cents}E{len(str(cents)) - 2 + zeros:+03d}",
    ):
        assert Amount(text) == Amount.from_cents(cents)


@given(NEARLY_NUMBERS)
def test_text_that_json_does_not_read_as_a_number_is_never_an_amount(text: str) -> None:
    if not is_json_number(text):
        assert judged(text) is None


@given(st.text(max_size=40))
def test_any_text_is_an_amount_or_refused_with_an_orders_error(text: str) -> None:
    amount = amount_or_none(text)
    assert amount is None or is_json_number(text)


@given(
    st.from_regex(r"[1-9]([0-9]{0,5})(\.[0-9]{1,5})?", fullmatch=True),
    st.integers(10**3, 10**15),
    st.sampled_from(["", "+", "-"]),
)
def test_a_huge_exponent_is_refused(digits: str, exponent: int, sign: str) -> None:
    assert judged(f"{digits}e{sign}{exponent}") is None
    assert judged(f"0e{sign}{exponent}") == 0


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-10, max_value=10**14))
@example(Decimal("1.5E+1"))
@example(Decimal("0E-30"))
@example(Decimal("-0"))
def test_a_decimal_is_accepted_exactly_when_it_is_an_amount(value: Decimal) -> None:
    assume(len(value.as_tuple().digits) <= MAX_AMOUNT_LENGTH)
    assert judged(value) == cents_or_none(Fraction(value))


@given(st.decimals())
def test_any_decimal_is_an_amount_or_refused_with_an_orders_error(value: Decimal) -> None:
    amount = amount_or_none(value)
    assert amount is None or amount.value == value


@given(st.integers())
def test_an_int_is_accepted_exactly_when_it_is_an_amount(value: int) -> None:
    assert judged(value) == cents_or_none(Fraction(value))


@given(amounts())
def test_an_amount_survives_being_written_and_read(amount: Amount) -> None:
    for same in (Amount(str(amount)), Amount(amount.value), Amount.from_cents(amount.cents)):
        assert same == amount
        assert hash(same) == hash(amount)


@given(amounts())
def test_an_amount_survives_a_reader_that_uses_doubles(amount: Amount) -> None:
    assert f"{float(str(amount)):.2f}" == str(amount)


@given(amounts(), amounts())
def test_amounts_sort_like_their_hundredths(one: Amount, other: Amount) -> None:
    assert (one < other) == (one.cents < other.cents)
    assert (one == other) == (one.cents == other.cents)


@given(amounts(), st.integers(1, 9), st.integers(0, 20), st.integers(-20, 0))
def test_no_decimal_context_changes_an_amount(
    amount: Amount,
    precision: int,
    largest: int,
    smallest: int,
) -> None:
    with localcontext(Context(prec=precision, Emax=largest, Emin=smallest)):
        assert Amount(str(amount)) == Amount(amount.value) == amount
        assert str(Amount.from_cents(amount.cents)) == f"{amount.cents / 100:.2f}"
