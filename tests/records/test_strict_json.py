"""Strict JSON against the standard library's lenient reader."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders_records.strict_json import MAX_DEPTH, InvalidJson, JsonValue, Number, parse

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()


def nested(depth: int) -> st.SearchStrategy[Any]:
    """Values with arrays and objects nested up to a depth."""
    if depth == 0:
        return LEAVES.filter(lambda leaf: leaf not in (float("inf"), float("-inf")))
    inner = nested(depth - 1)
    arrays = st.lists(inner, max_size=4)
    return inner | arrays | st.dictionaries(st.text(max_size=8), inner, max_size=4)


def plain(value: JsonValue) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Convert numbers as the standard library reads them."""
    match value:
        case Number(text):
            return json.loads(text)
        case list():
            return [plain(each) for each in value]
        case dict():
            return {name: plain(each) for name, each in value.items()}
    return value


def refused(content: bytes) -> bool:
    try:
        parse(content)
    except InvalidJson:
        return True
    return False


def depth_of(value: object) -> int:
    match value:
        case list():
            return 1 + max(map(depth_of, value), default=0)
        case dict():
            return 1 + max(map(depth_of, value.values()), default=0)
    return 0


@given(nested(MAX_DEPTH), st.booleans(), st.sampled_from([None, 1]))
def test_valid_shallow_json_is_read_like_the_standard_library_reads_it(
    value: object,
    ascii_only: bool,  # noqa: FBT001 - drawn
    indent: int | None,
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert plain(parse(text.encode())) == value


@given(st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_valid_documents_are_refused_only_for_their_depth(value: object) -> None:
    content = json.dumps(value, ensure_ascii=False, allow_nan=True)
    unwritable = "NaN" in content or "Infinity" in content
    if not unwritable:
        assert refused(content.encode(errors="surrogatepass")) == (depth_of(value) > MAX_DEPTH)


@given(st.text('[]{}":,\\ \n1-eE.+tfnulrasNI\x00', max_size=60) | st.text() | st.binary())
def test_json_that_the_standard_library_refuses_is_refused(content: str | bytes) -> None:
    raw = content if isinstance(content, bytes) else content.encode(errors="surrogatepass")
    try:
        expected = json.loads(raw.decode())
    except ValueError:
        assert refused(raw)
    else:
        assert refused(raw) or plain(parse(raw)) == expected


@given(st.dictionaries(st.text(), st.integers(), min_size=1), st.data())
def test_a_duplicate_name_is_refused_anywhere(
    members: dict[str, int],
    data: st.DataObject,
) -> None:
    name = data.draw(st.sampled_from(sorted(members)))
    pairs = [f"{json.dumps(each)}:{value}" for each, value in members.items()]
    pairs.insert(data.draw(st.integers(0, len(pairs))), f"{json.dumps(name)}:0")
    content = "{" + ",".join(pairs) + "}"
    with pytest.raises(InvalidJson, match="twice"):
        parse(content.encode())
    assert refused(f"[[[{content}]]]".encode())


def test_a_duplicate_name_in_another_spelling_is_refused() -> None:
    assert refused(b'{"id":1,"\\u0069d":2}')


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_text_that_is_not_a_json_number_is_refused(constant: str) -> None:
    with pytest.raises(InvalidJson, match="not a JSON number"):
        parse(f"[{constant}]".encode())


@pytest.mark.parametrize("text", ["1e2000000", "9" * 60_000, "-0", "1E+5", "0.000000000000000001"])
def test_a_number_keeps_its_text(text: str) -> None:
    assert parse(text.encode()) == Number(text)


@pytest.mark.parametrize("brackets", ["[" * 60_000, '{"a":' * 10_000, '["[[[[[",' + "[" * 60_000])
def test_deep_nesting_is_refused_before_parsing(brackets: str) -> None:
    with pytest.raises(InvalidJson, match="nested deeper"):
        parse(brackets.encode())


@pytest.mark.parametrize("content", ['"[[[[[[["', '{"[[[[":"{{{{\\"{{{{"}', '["\\\\","[[[[["]'])
def test_brackets_in_strings_do_not_count(content: str) -> None:
    assert not refused(content.encode())


def test_an_unclosed_string_takes_linear_time() -> None:
    # Trying each of the quotes again would take minutes, beyond the time limit of the test.
    content = b'"' + b'\\"' * 500_000 + b"[" * 5
    with pytest.raises(InvalidJson, match="malformed at line 1, column 1"):
        parse(content)


def test_many_names_take_linear_time() -> None:
    names = ",".join(f'"{number}":0' for number in range(100_000))
    with pytest.raises(InvalidJson, match="99999"):
        parse(f'{{{names},"99999":0}}'.encode())


def test_a_byte_order_mark_is_refused() -> None:
    with pytest.raises(InvalidJson, match="byte order mark"):
        parse(b"\xef\xbb\xbf{}")


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b'{"a":\n 1,}', "malformed at line 2, column [34]"),
        (b'"\xff"', "byte 1 is 0xff"),
        (b"", "malformed at line 1, column 1"),
    ],
)
def test_the_error_says_where(content: bytes, place: str) -> None:
    with pytest.raises(InvalidJson, match=place):
        parse(content)
