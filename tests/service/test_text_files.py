"""Text files that people write: anything but plain UTF-8 is refused with the reason."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from orders_core.plain_text import UnusableText, decoded
from orders_service.configuration.loading import load
from orders_service.configuration.settings import InvalidConfig
from orders_tokens import InvalidTokens, read_tokens

SAVE = "save it as UTF-8 without a byte order mark"
BEGIN = "database_url = 'sqlite:///canary.db'\n"
READERS: Mapping[str, Callable[[Path], object]] = {
    "the configuration": lambda file: load({}, {}, file),
    "the URL": lambda file: load({}, {"DATABASE_URL_FILE": str(file)}, None),
    "the tokens": read_tokens,
}
UNUSABLE = {
    "a mark": (
        BEGIN.encode("utf-8-sig"),
        f"line 1: begins with a byte order mark (U+FEFF); {SAVE}",
    ),
    "UTF-16": (BEGIN.encode("utf-16"), f"is UTF-16; {SAVE}"),
    "UTF-16, big end first": (b"\xfe\xff" + BEGIN.encode("utf-16-be"), f"is UTF-16; {SAVE}"),
    "UTF-16 without a mark": (
        BEGIN.encode("utf-16-le"),
        f"line 1: contains a NUL byte, as UTF-16 and binary files do; {SAVE}",
    ),
    "NUL": (
        f"{BEGIN}\0".encode(),
        f"line 2: contains a NUL byte, as UTF-16 and binary files do; {SAVE}",
    ),
    "Latin-1": (f"{BEGIN}# é".encode("latin-1"), f"line 2: is not UTF-8; {SAVE}"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_anything_but_plain_utf_8_is_refused_with_the_remedy(kind: str) -> None:
    content, problem = UNUSABLE[kind]
    with pytest.raises(UnusableText) as raised:
        decoded(content)
    assert str(raised.value) == problem


@pytest.mark.parametrize("text", ["", "é\n", "a\r\nb\r\n", "no end", "mark inside \ufeff"])
def test_plain_utf_8_is_read_unchanged(text: str) -> None:
    assert decoded(text.encode()) == text


@pytest.mark.parametrize("kind", UNUSABLE)
@pytest.mark.parametrize("setting", READERS)
def test_each_unusable_file_of_settings_is_named_with_its_problem(
    tmp_path: Path, setting: str, kind: str
) -> None:
    content, problem = UNUSABLE[kind]
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises((InvalidConfig, InvalidTokens)) as raised:
        READERS[setting](file)
    found = str(raised.value)
    assert str(file) in found
    assert found.endswith(problem)
    assert "canary" not in found


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n", "  \r\n"])
def test_the_file_of_a_url_may_have_any_line_end(tmp_path: Path, end: str) -> None:
    file = tmp_path / "url"
    file.write_bytes(f"sqlite:///mine.db{end}".encode())
    assert str(load({}, {"DATABASE_URL_FILE": str(file)}, None).database) == "sqlite:///mine.db"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("\r\n \n", "is empty"),
        ("sqlite:///a.db\nsqlite:///b.db\n", "holds 2 lines; it must hold the URL alone"),
    ],
)
def test_the_file_of_a_url_must_hold_nothing_else(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "url"
    file.write_bytes(text.encode())
    with pytest.raises(InvalidConfig) as raised:
        load({}, {"DATABASE_URL_FILE": str(file)}, None)
    where = "database_url (environment DATABASE_URL_FILE)"
    assert raised.value.problems == (f"{where}: {file}: {problem}",)


@pytest.mark.parametrize("text", ["listen = '127.0.0.1:1'\r\n", "listen = '127.0.0.1:1'"])
def test_a_file_of_settings_may_have_any_line_end(tmp_path: Path, text: str) -> None:
    file = tmp_path / "orders.toml"
    file.write_bytes(text.encode())
    assert load({}, {}, file).listen.port == 1
