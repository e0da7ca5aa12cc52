import unicodedata
from enum import Enum

import pytest
from attrs.exceptions import FrozenInstanceError

from orders_core import (
    Amount,
    InvalidOrder,
    Order,
    OrderConflict,
    OrderId,
    OrderNotFound,
    Violation,
)


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
        "\u05d0\u202eb",
        "a\u200bb",
        "a\ufeffb",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian, with a non-joiner
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "a\u2028b",
        "a\u00a0b",
        "\ue000",
        "\uffff",
        "\U0010ffff",
        "a\u00adb",
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
        assert violation_of(text) == f"contains the control character U+{code_point:04X}"


@pytest.mark.parametrize("code_point", [0xD800, 0xDBFF, 0xDC00, 0xDFFF])
def test_a_lone_surrogate_is_refused(code_point: int) -> None:
    assert violation_of(f"a{chr(code_point)}") == f"contains the lone surrogate U+{code_point:04X}"


@pytest.mark.parametrize("space", [" ", "\u00a0", "\u1680", "\u2003", "\u2028", "\u202f", "\u3000"])
def test_white_space_at_an_edge_is_refused(space: str) -> None:
    for text in (space, f"{space}a", f"a{space}"):
        assert violation_of(text) == "begins or ends with white space"


@pytest.mark.parametrize(
    ("character", "name"),
    [
        ("\u200b", "U+200B ZERO WIDTH SPACE"),
        ("\ufeff", "U+FEFF ZERO WIDTH NO-BREAK SPACE"),
        ("\u202e", "U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("\u2069", "U+2069 POP DIRECTIONAL ISOLATE"),
        ("\u00ad", "U+00AD SOFT HYPHEN"),
        ("\u2060", "U+2060 WORD JOINER"),
        ("\u180e", "U+180E MONGOLIAN VOWEL SEPARATOR"),
        ("\u034f", "U+034F COMBINING GRAPHEME JOINER"),
        ("\u115f", "U+115F HANGUL CHOSEONG FILLER"),
        ("\u3164", "U+3164 HANGUL FILLER"),
        ("\uffa0", "U+FFA0 HALFWIDTH HANGUL FILLER"),
        ("\u2800", "U+2800 BRAILLE PATTERN BLANK"),
        ("\ufe0f", "U+FE0F VARIATION SELECTOR-16"),
        ("\U000e0100", "U+E0100 VARIATION SELECTOR-17"),
        ("\U000e0041", "U+E0041 TAG LATIN CAPITAL LETTER A"),
        ("\U000e0000", "U+E0000"),  # it is kept for a character that does not show
    ],
)
def test_an_invisible_character_at_an_edge_is_refused_by_its_name(
    character: str, name: str
) -> None:
    reason = f"with {name}, an invisible or format character"
    assert violation_of(f"A-1{character}") == f"ends {reason}"
    assert violation_of(f"{character}A-1") == f"begins {reason}"
    assert violation_of(character) == f"begins {reason}"
    assert OrderId(f"A{character}1").value == f"A{character}1"


def test_every_format_character_of_unicode_is_refused_at_both_edges() -> None:
    formats = [each for each in map(chr, range(0x110000)) if unicodedata.category(each) == "Cf"]
    assert len(formats) > 100
    for character in formats:
        assert violation_of(f"a{character}").startswith("ends with U+")
        assert violation_of(f"{character}a").startswith("begins with U+")


def test_white_space_is_what_python_calls_white_space() -> None:
    for character in map(chr, range(0x110000)):
        try:
            OrderId(f"a{character}")
        except InvalidOrder as error:
            space = "white space" in str(error)
        else:
            space = False
        is_control = unicodedata.category(character) == "Cc"
        assert space == (character.isspace() and not is_control)


@pytest.mark.parametrize("text", ["A-1\u200b", "\u202aA-1\u202c", "\ufeffA-1", "A-1"])
def test_an_id_that_an_earlier_release_accepted_can_be_looked_up(text: str) -> None:
    assert OrderId.of_stored(text).value == text


@pytest.mark.parametrize("text", ["", " a", "a\u2003", "a\0", "\ud800", ".", "x" * 129])
def test_an_id_that_no_release_accepted_cannot_be_looked_up(text: str) -> None:
    with pytest.raises(InvalidOrder) as caught:
        OrderId.of_stored(text)
    (violation,) = caught.value.violations
    assert violation.message == violation_of(text)


def test_a_failed_look_up_names_the_invisible_characters_of_the_id() -> None:
    assert str(OrderNotFound("A-1")) == "no order has the id 'A-1'"
    assert str(OrderNotFound("A\u200b1\u200b")) == (
        "no order has the id 'A<U+200B>1<U+200B>'; the id contains U+200B ZERO WIDTH SPACE, which "
        "may be invisible"
    )
    assert str(OrderNotFound("a\u200b\u200c\u200d\u2060\u3164z")) == (
        "no order has the id 'a<U+200B><U+200C><U+200D><U+2060><U+3164>z'; the id contains "
        "U+200B ZERO WIDTH SPACE, U+200C ZERO WIDTH NON-JOINER, U+200D ZERO WIDTH JOINER, "
        "and 2 more, which may be invisible"
    )


def test_a_conflict_marks_invisible_characters() -> None:
    conflict = OrderConflict((0,), ("A\u200b1",))
    assert str(conflict) == "order 'A<U+200B>1' is already stored with another amount"


@pytest.mark.parametrize(
    ("value", "name"),
    [(None, "NoneType"), (1, "int"), (b"a", "bytes"), (["a"], "list"), (OrderId("a"), "OrderId")],
)
def test_an_id_that_is_not_text_is_refused(value: object, name: str) -> None:
    assert violation_of(value) == f"must be a string, not {name}"


def test_only_the_text_of_a_subclass_of_str_is_kept() -> None:
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


def test_an_order_accepts_an_id_and_an_amount_as_text_or_as_objects() -> None:
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
