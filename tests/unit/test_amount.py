from decimal import Context, Decimal, Inexact, localcontext
from enum import IntEnum
from fractions import Fraction

import pytest

from orders_core import MAX_CENTS, Amount, InvalidOrder, decimal_of_cents

MAX = "9999999999999.99"


def violation_of(value: object) -> str:
    with pytest.raises(InvalidOrder) as caught:
        Amount(value)  # type: ignore[arg-type]  # the point of these tests
    (violation,) = caught.value.violations
    assert violation.field == "amount"
    return violation.message


@pytest.mark.parametrize(
    ("written", "cents"),
    [
        ("0", 0),
        ("0.0", 0),
        ("-0", 0),
        ("-0.00", 0),
        ("0e999999", 0),
        ("0e-999999", 0),
        ("-0.000e2000000", 0),
        ("0.01", 1),
        ("0.1", 10),
        ("12.3", 1230),
        ("12.30", 1230),
        ("12", 1200),
        ("1.500", 150),
        ("1.50000000000000000000000000000", 150),
        ("1e2", 10_000),
        ("1E2", 10_000),
        ("1e+2", 10_000),
        ("1e02", 10_000),
        ("1230e-2", 1230),
        ("1000000e-6", 100),
        ("0.00001e5", 100),
        ("0.1e-1", 1),
        (MAX, MAX_CENTS),
        ("999999999999999e-2", MAX_CENTS),
        ("9.99999999999999e12", MAX_CENTS),
    ],
)
def test_a_written_amount_is_read_exactly(written: str, cents: int) -> None:
    assert Amount(written).cents == cents


@pytest.mark.parametrize(
    "written",
    [
        *("", " ", "+1", "1 ", " 1", "1\n", "\n1", "01", "00", "-01", ".5", "5.", "1.", "-", "--1"),
        *("1e", "1e+", "e1", "1.e1", "1e1.0", "1e 2", "0x10", "1_000", "1,000", "1.2.3", "1,5"),
        *("NaN", "nan", "sNaN", "Infinity", "-Infinity", "inf", "1e1e1", "1d", "$1", "1\x00", "½"),
        "\u0661",  # a digit, but an Arabic one
        "\uff11",  # a digit, but a full-width one
        "1\u0661",
        "1\u00a0",
        "\u22121",  # a minus, but the typographic one
        "\ud800",
    ],
)
def test_text_that_is_not_a_json_number_is_refused(written: str) -> None:
    assert violation_of(written) == "is not a decimal number such as 12.30"


@pytest.mark.parametrize(
    "written",
    ["1.005", "0.001", "1e-3", "0.009", "9999999999999.999", "1e-2000000", "1.5e-999999999999"],
)
def test_more_than_two_decimal_places_are_refused_never_rounded(written: str) -> None:
    assert violation_of(written) == "has more than two decimal places; it is never rounded"


@pytest.mark.parametrize(
    "written",
    ["10000000000000", "1e13", "1e2000000", "1e99999999999999999999999999999", "99999999999999e0"],
)
def test_more_than_the_largest_amount_is_refused_however_large(written: str) -> None:
    assert violation_of(written) == f"is more than {MAX}"


@pytest.mark.parametrize("written", ["-1", "-0.01", "-1e-9", "-1e2000000", "-1.005"])
def test_a_negative_amount_is_refused(written: str) -> None:
    assert violation_of(written) == "is negative; it must be 0.00 or more"


def test_a_written_amount_has_at_most_32_characters() -> None:
    assert Amount("1." + "0" * 30).cents == 100
    assert violation_of("1." + "0" * 31) == "is longer than 32 characters"
    assert violation_of("0" * 10_000_000) == "is longer than 32 characters"


@pytest.mark.parametrize(
    ("value", "cents"),
    [
        (Decimal("12.3"), 1230),
        (Decimal("1E+2"), 10_000),
        (Decimal("-0"), 0),
        (Decimal("0E+999999"), 0),
        (Decimal("0E-999999"), 0),
        (Decimal("1.500"), 150),
        (Decimal("1." + "0" * 31), 100),
        (Decimal(MAX), MAX_CENTS),
        (Decimal((0, (0, 0, 1, 2), -1)), 120),
    ],
)
def test_a_decimal_is_read_exactly(value: Decimal, cents: int) -> None:
    assert Amount(value).cents == cents


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Decimal("NaN"), "is not a finite number"),
        (Decimal("-NaN123"), "is not a finite number"),
        (Decimal("sNaN"), "is not a finite number"),
        (Decimal("Infinity"), "is not a finite number"),
        (Decimal("-Infinity"), "is not a finite number"),
        (Decimal("1." + "0" * 32), "has more than 32 digits"),
        (Decimal("1.005"), "has more than two decimal places; it is never rounded"),
        (Decimal("1E-2000000"), "has more than two decimal places; it is never rounded"),
        (Decimal("-0.01"), "is negative; it must be 0.00 or more"),
        (Decimal("1E+2000000"), f"is more than {MAX}"),
        (Decimal("1E+13"), f"is more than {MAX}"),
    ],
)
def test_a_decimal_that_is_not_an_amount_is_refused(value: Decimal, message: str) -> None:
    assert violation_of(value) == message


@pytest.mark.parametrize(
    "context",
    [
        Context(prec=1),
        Context(prec=1, Emax=0, Emin=0),
        Context(prec=1, traps=[Inexact]),
        Context(prec=3, clamp=1, Emax=1, Emin=-1),
    ],
    ids=repr,
)
def test_the_callers_decimal_context_changes_nothing(context: Context) -> None:
    largest = Decimal(MAX)
    with localcontext(context):
        for amount in (Amount(MAX), Amount(largest), Amount.from_cents(MAX_CENTS)):
            assert amount.cents == MAX_CENTS
            assert str(amount) == MAX
            assert amount.value.as_tuple() == (0, (9,) * 15, -2)
            assert amount == Amount(MAX)
            assert amount > Amount("9999999999999.98")


def test_an_int_is_a_number_of_whole_units() -> None:
    class Price(IntEnum):
        TICKET = 12

    assert Amount(0).cents == 0
    assert Amount(12) == Amount("12.00") == Amount(Price.TICKET)
    assert Amount(9_999_999_999_999).cents == 999_999_999_999_900


def test_an_int_that_is_out_of_range_is_refused_however_large() -> None:
    assert violation_of(10_000_000_000_000) == f"is more than {MAX}"
    assert violation_of(10**100_000) == f"is more than {MAX}"
    assert violation_of(-1) == "is negative; it must be 0.00 or more"
    assert violation_of(-(10**100_000)) == "is negative; it must be 0.00 or more"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (True, "bool"),
        (False, "bool"),
        (12.5, "float"),
        (float("nan"), "float"),
        (None, "NoneType"),
        (b"12.50", "bytes"),
        (Fraction(1, 2), "Fraction"),
        (1 + 0j, "complex"),
        (["12.50"], "list"),
    ],
)
def test_other_types_are_refused_including_float_and_bool(value: object, name: str) -> None:
    assert violation_of(value) == f"must be a Decimal, an int or a str, not {name}"


@pytest.mark.parametrize("cents", [-1, MAX_CENTS + 1, 10**30])
def test_hundredths_out_of_range_are_refused(cents: int) -> None:
    with pytest.raises(InvalidOrder):
        Amount.from_cents(cents)


@pytest.mark.parametrize("cents", [True, False, 1.0, Decimal(1), "1", None])
def test_hundredths_must_be_an_int(cents: int) -> None:
    with pytest.raises(InvalidOrder) as caught:
        Amount.from_cents(cents)
    (violation,) = caught.value.violations
    assert violation.message == f"must be an int of hundredths, not {type(cents).__name__}"


def test_an_amount_is_written_with_two_decimals_and_no_exponent() -> None:
    assert [str(Amount(each)) for each in ("0", "1e2", "0.5", MAX)] == [
        "0.00",
        "100.00",
        "0.50",
        MAX,
    ]


def test_an_amount_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Amount("1").value = Decimal("2.00")  # type: ignore[misc]  # the point of the test


def test_a_sum_beyond_every_amount_is_exact() -> None:
    assert str(decimal_of_cents(10**40 + 7)) == "1" + "0" * 38 + ".07"
    with localcontext(prec=1):
        assert decimal_of_cents(123_456_789).as_tuple() == (0, (1, 2, 3, 4, 5, 6, 7, 8, 9), -2)
