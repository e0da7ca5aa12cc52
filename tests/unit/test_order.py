from enum import Enum

import pytest
from attrs.exceptions import FrozenInstanceError

from orders_core import Amount, InvalidOrder, Order, OrderId, Violation


def violation_of(value: object) -> str:
    with pytest.raises(InvalidOrder) as caught:
        OrderId(value)  # type: ignore[arg-type]  # the point of these tests
    (violation,) = caught.value.violations
    assert violation.field == "id"
    return violation.message


@pytest.mark.parametrize(
    "text",
    [
        *("a", "A-1", "...", ".a", "a b", "a  b", "a/b", "a%2Fb", "%", "?", "#", "\\", "'", '"'),
        "\u00e9",
        "e\u0301",
        "\u05d0\u202e",
        "\u200b",  # a zero-width space is no white space to Unicode
        "\ufeffa",
        "a\u2028b",
        "a\u00a0b",
        "\ue000",
        "\uffff",
        "\U0010ffff",
        "\u00ad",
        "x" * 128,
        "\U0001f600" * 128,
    ],
)
def test_an_id_is_kept_exactly_as_it_is(text: str) -> None:
    assert OrderId(text).value == text
    assert str(OrderId(text)) == text


def test_an_empty_id_is_refused() -> None:
    assert violation_of("") == "is empty"


@pytest.mark.parametrize("character", ["x", "\U0001f600", "\u0301"])
def test_an_id_has_at_most_128_code_points(character: str) -> None:
    assert violation_of(character * 129) == "is longer than 128 characters"


@pytest.mark.parametrize("text", [".", ".."])
def test_an_id_that_paths_cannot_carry_is_refused(text: str) -> None:
    assert violation_of(text) == "must not be '.' or '..', which paths cannot carry"


@pytest.mark.parametrize("code_point", [*range(0x20), *range(0x7F, 0xA0)])
def test_every_control_character_is_refused_wherever_it_is(code_point: int) -> None:
    character = chr(code_point)
    for text in (character, f"{character}a", f"a{character}", f"a{character}b"):
        assert violation_of(text) == f"holds the control character U+{code_point:04X}"


@pytest.mark.parametrize("code_point", [0xD800, 0xDBFF, 0xDC00, 0xDFFF])
def test_a_lone_surrogate_is_refused(code_point: int) -> None:
    assert violation_of(f"a{chr(code_point)}") == f"holds the lone surrogate U+{code_point:04X}"


@pytest.mark.parametrize("space", [" ", "\u00a0", "\u1680", "\u2003", "\u2028", "\u202f", "\u3000"])
def test_white_space_at_an_edge_is_refused(space: str) -> None:
    for text in (space, f"{space}a", f"a{space}"):
        assert violation_of(text) == "begins or ends with white space"


@pytest.mark.parametrize(
    ("value", "name"),
    [(None, "NoneType"), (1, "int"), (b"a", "bytes"), (["a"], "list"), (OrderId("a"), "OrderId")],
)
def test_an_id_that_is_no_text_is_refused(value: object, name: str) -> None:
    assert violation_of(value) == f"must be a string, not {name}"


def test_of_a_text_of_another_class_only_the_text_is_kept() -> None:
    class Source(str, Enum):  # noqa: UP042 - its str() is not its text
        WEB = "web"

    assert type(OrderId(Source.WEB).value) is str
    assert OrderId(Source.WEB).value == "web"


def test_ids_are_not_normalised() -> None:
    assert OrderId("\u00e9") != OrderId("e\u0301")
    assert OrderId("a") != OrderId("A")


def test_ids_are_ordered_by_code_point() -> None:
    texts = ["A", "B", "a", "aa", "b", "\u00e9", "\ue000", "\uffff", "\U0001f600"]
    assert [each.value for each in sorted(map(OrderId, reversed(texts)))] == texts


def test_an_order_takes_an_id_and_an_amount_as_text_or_as_they_are() -> None:
    assert Order("A-1", "12.3") == Order(OrderId("A-1"), Amount("12.30"))


def test_an_order_never_changes() -> None:
    order = Order("A-1", "12.30")
    with pytest.raises(FrozenInstanceError):
        order.amount = Amount("1")  # type: ignore[misc]  # the point of the test


def test_orders_are_values() -> None:
    assert len({Order("A-1", "12.3"), Order("A-1", "12.30"), Order("A-1", "1")}) == 2


def test_parsing_makes_the_order() -> None:
    assert Order.parse("A-1", "12.3") == Order("A-1", "12.30")


def test_parsing_names_everything_that_is_wrong() -> None:
    with pytest.raises(InvalidOrder) as caught:
        Order.parse(" ", 1.5)
    assert caught.value.violations == (
        Violation("id", "begins or ends with white space"),
        Violation("amount", "must be a Decimal, an int or a str, not float"),
    )
    assert str(caught.value) == (
        "id begins or ends with white space; amount must be a Decimal, an int or a str, not float"
    )


@pytest.mark.parametrize(
    ("order_id", "amount", "field"),
    [("", "1", "id"), (None, "1", "id"), ("a", "x", "amount"), ("a", None, "amount")],
)
def test_parsing_names_the_part_that_is_wrong(
    order_id: object,
    amount: object,
    field: str,
) -> None:
    with pytest.raises(InvalidOrder) as caught:
        Order.parse(order_id, amount)
    assert [each.field for each in caught.value.violations] == [field]
