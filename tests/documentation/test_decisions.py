"""The decisions are numbered, have a status, and the index shows it."""

import re
from pathlib import Path
from typing import Final

import pytest

FOLDER: Final = Path(__file__).parents[2] / "docs/decisions"
PAGES: Final = sorted(FOLDER.glob("[0-9]*.md"))
_INDEX: Final = (FOLDER / "README.md").read_text("utf-8")
_AMENDED: Final = re.compile(r"(?:amended|superseded) by \[(\d+)\]")


def status(page: Path) -> str:
    """Read the paragraph below the title, without "Status: "."""
    _title, paragraph, *_ = page.read_text("utf-8").split("\n\n")
    assert paragraph.startswith("Status: ")
    return " ".join(paragraph.removeprefix("Status: ").split())


def test_the_numbers_have_no_gaps() -> None:
    assert [int(page.name[:4]) for page in PAGES] == [*range(1, len(PAGES) + 1)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_a_number_a_status_and_the_usual_headings(page: Path) -> None:
    text = page.read_text("utf-8")
    assert text.startswith(f"# {int(page.name[:4])}. ")
    assert re.match(r"(accepted|superseded)\b", status(page))
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_index_shows_the_title_and_the_status(page: Path) -> None:
    number, title = page.read_text("utf-8").splitlines()[0].removeprefix("# ").split(". ", 1)
    (row,) = [line for line in _INDEX.splitlines() if line.startswith(f"| {number} | ")]
    shown = row.split(" | ")[-1].removesuffix(" |")
    assert row.startswith(f"| {number} | [{title}]({page.name}) | ")
    assert shown.split(",")[0] == re.split("[;,]", status(page))[0]
    assert _AMENDED.findall(shown) == _AMENDED.findall(status(page))


def test_a_page_that_amends_another_is_named_there() -> None:
    for page in PAGES:
        _, amends, names = status(page).partition("amends ")
        for number in re.findall(r"\[(\d+)\]", names) if amends else ():
            (amended,) = [each for each in PAGES if int(each.name[:4]) == int(number)]
            assert str(int(page.name[:4])) in _AMENDED.findall(status(amended)), page.name
