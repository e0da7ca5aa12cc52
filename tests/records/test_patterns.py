"""The patterns of plain lines follow the fields of an order, optional ones too."""

from collections.abc import Sequence

import pytest

from orders_core import FIELDS, Field
from orders_records.patterns import plain_csv, plain_ndjson

NOTED = (*FIELDS, Field("note", lambda excluded: f"[^{excluded}\r\n]+", is_required=False))


@pytest.mark.parametrize(
    ("line", "rows"),
    [
        ('{"id":"A","amount":1.5,"note":"x, y"}\n', [("A", "1.5", "x, y")]),
        ('{"id": "A", "amount": 1, "note": "x"}\r\n', [("A", "1", "x")]),
        ('{"id":"A","amount":1}\n', [("A", "1", "")]),
        ('{"id":"A","note":"x","amount":1}\n', []),
        ('{"id":"A","note":"x"}\n', []),
        ('{"id":"A","amount":1,"note":"\\n"}\n', []),
    ],
)
def test_a_line_of_json_may_lack_an_optional_field(line: str, rows: Sequence[object]) -> None:
    assert plain_ndjson(NOTED).findall(line) == rows


@pytest.mark.parametrize(
    ("columns", "line", "rows"),
    [
        (3, "A,1.5,x\n", [("A", "1.5", "x")]),
        (3, "A,1,\r\n", [("A", "1", "")]),
        (3, "A,1\n", []),
        (2, "A,1\n", [("A", "1", "")]),
        (2, "A,1,x\n", []),
        (3, 'A,1,"x"\n', []),
    ],
)
def test_csv_may_lack_the_column_of_an_optional_field(
    columns: int, line: str, rows: Sequence[object]
) -> None:
    assert plain_csv(NOTED, columns).findall(line) == rows


@pytest.mark.parametrize("text", [".", "..", " a", "a ", "\u200ba", "a\x00", "", "x" * 129])
def test_text_that_is_not_an_id_is_not_plain(text: str) -> None:
    assert not plain_csv(FIELDS, 2).findall(f"{text},1\n")
    assert not plain_ndjson(FIELDS).findall(f'{{"id":"{text}","amount":1}}\n')


@pytest.mark.parametrize("text", ["...", ".a", "..a", "a b", "x" * 128])
def test_an_id_is_plain(text: str) -> None:
    assert plain_csv(FIELDS, 2).findall(f"{text},1\n") == [(text, "1")]
    assert plain_ndjson(FIELDS).findall(f'{{"id":"{text}","amount":1}}\n') == [(text, "1")]
