"""Links between pages lead somewhere, and so do the paths of pages that other files mention."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
# Virtual environments, caches, build results: nothing that a fresh clone holds.
_GENERATED: Final = re.compile(
    r"\.(?!ci$|github$)|__pycache__$|artefacts$|build$|dist$|.*\.egg-info$"
)
_FENCE: Final = re.compile(r"^( *)```.*?^\1```$", re.DOTALL | re.MULTILINE)
_HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)
_LINK: Final = re.compile(r"\]\(([^()\s]+)\)")
_PAGE_OF_DOCS: Final = re.compile(r"(?<![\w/])docs/[\w./-]+\.md\b")
_SOURCE_FILE: Final = re.compile(
    r"(?<![\w/.-])(?:(?:adapters|entrypoints)/)?"
    r"(?:orders_[a-z]+|tests|release|benchmarks|monitoring)/[\w/]+\.(?:py|json|sql|html|yaml)\b"
)
_TEXT: Final = {"", ".md", ".py", ".toml", ".yml", ".yaml", ".tf", ".sh", ".conf"}


def files(folder: Path = ROOT) -> Iterator[Path]:
    """List the files of the project."""
    for entry in sorted(folder.iterdir()):
        if not _GENERATED.match(entry.name):
            if entry.is_dir():
                yield from files(entry)
            else:
                yield entry


PAGES: Final = [file for file in files() if file.suffix == ".md"]


@cache
def prose(page: Path) -> str:
    """Read a page without its blocks of code."""
    return _FENCE.sub("", page.read_text("utf-8"))


@cache
def anchors(page: Path) -> Sequence[str]:
    """List the anchors that GitHub gives the headings of a page."""
    found: list[str] = []
    for heading in _HEADING.findall(prose(page)):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        repeated = sum(
            re.fullmatch(rf"{re.escape(anchor)}(-\d+)?", each) is not None for each in found
        )
        found.append(f"{anchor}-{repeated}" if repeated else anchor)
    return found


def test_there_are_pages() -> None:
    assert {ROOT / "README.md", ROOT / "docs/http.md", ROOT / "terraform/README.md"} <= {*PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    broken = []
    for link in _LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_of_docs_that_any_file_mentions_exists() -> None:
    missing = [
        f"{file.relative_to(ROOT)}: {path}"
        for file in files()
        if file.suffix in _TEXT
        for path in _PAGE_OF_DOCS.findall(file.read_text("utf-8"))
        if not (ROOT / path).exists() and not (file.parent / path).exists()
    ]
    assert missing == []


def test_every_source_file_that_a_page_mentions_exists() -> None:
    roots = [ROOT, ROOT / "adapters", ROOT / "entrypoints"]
    missing = [
        f"{page.relative_to(ROOT)}: {path}"
        for page in PAGES
        if page.name != "CHANGELOG.md"
        for path in _SOURCE_FILE.findall(page.read_text("utf-8"))
        if not any((root / path).exists() for root in roots)
    ]
    assert missing == []


def test_every_page_of_docs_is_linked_from_another_page() -> None:
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in PAGES
        for link in _LINK.findall(prose(page))
        if not re.match(r"[a-z]+:|#", link)
    }
    assert [page for page in PAGES if ROOT / "docs" in page.parents and page not in linked] == []


def test_anchors_are_those_of_github(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# Who's `first`, and why?\n\n## [Linked](x.md) heading\n\n```sh\n# no heading\n```\n\n"
        "## 10 - 2\n\n## Same\n\n## Same\n"
    )
    assert anchors(page) == [
        *("whos-first-and-why", "linked-heading", "10---2", "same", "same-1"),
    ]
