"""`make release-check` fails if the sources disagree about the version."""

import re
import shutil
from pathlib import Path

import pytest

from release.artefacts import Artefacts, WrongFiles, sha256, write_checksums
from release.check import plan, problems
from release.sources import changelog
from tests.debian_package import ROOT

CHANGELOG = """# Changelog

## [Unreleased]

## [1.2.3] - 2026-11-24

### Fixed

- A comma.

## [1.2.2] - 2026-10-01

### Added

- A comma.
"""
DEBIAN = """orders (1.2.3) unstable; urgency=medium

  * Upstream release.

 -- Orders maintainers <maintainers@orders.example>  Tue, 24 Nov 2026 12:00:00 +0000
"""
PROJECT = '[project]\nname = "orders-core"\nversion = "1.2.3"\n'


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """Sources that are ready for a tag."""
    (tmp_path / "debian").mkdir()
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    (tmp_path / "debian/changelog").write_text(DEBIAN)
    return tmp_path


def change(file: Path, before: str, after: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert before in text
    file.write_text(text.replace(before, after), encoding="utf-8")


def found(sources: Path, tag: str | None = "v1.2.3") -> str:
    return "\n".join(problems(sources, sources / "dist", tag))


def test_sources_that_agree_are_ready(sources: Path) -> None:
    assert found(sources) == ""


def test_the_tag_must_match_the_version(sources: Path) -> None:
    assert "the tag is v1.2.4" in found(sources, "v1.2.4")
    assert "use the tag v1.2.3" in found(sources, "1.2.3")


@pytest.mark.parametrize(
    ("file", "before", "after", "reported"),
    [
        ("pyproject.toml", "1.2.3", "1.2.4", "debian/changelog: the newest entry is 1.2.3"),
        ("pyproject.toml", "1.2.3", "1.2.4", "CHANGELOG.md has no section '## [1.2.4] - DATE'"),
        ("pyproject.toml", "1.2.3", "1.2", "1.2 is not of the form MAJOR.MINOR.PATCH"),
        ("debian/changelog", "1.2.3", "1.2.2", "the newest entry is 1.2.2, not 1.2.3"),
        ("debian/changelog", "unstable", "UNRELEASED", "is UNRELEASED"),
        ("debian/changelog", "24 Nov", "23 Nov", "the entry in debian/changelog 2026-11-23"),
        ("CHANGELOG.md", " - 2026-11-24", "", "section 1.2.3 has no date"),
        ("CHANGELOG.md", " - 2026-11-24", " - 24.11.2026", "section 1.2.3 has no date"),
        ("CHANGELOG.md", "## [Unreleased]\n", "", "no section '## [Unreleased]'"),
        ("CHANGELOG.md", "## [Unreleased]\n", "## [Unreleased]\n\n- A word.\n", "'Unreleased'"),
        ("CHANGELOG.md", "### Fixed\n\n- A comma.\n", "", "section 1.2.3 is empty"),
    ],
)
def test_every_disagreement_is_reported(
    sources: Path, file: str, before: str, after: str, reported: str
) -> None:
    change(sources / file, before, after)
    assert reported in found(sources)


def test_a_file_that_no_release_has_is_reported(sources: Path) -> None:
    (sources / "dist").mkdir()
    (sources / "dist/orders_1.2.2_all.deb").write_bytes(b"")
    assert "orders_1.2.2_all.deb: a release of 1.2.3 has no such file" in found(sources)


def test_it_prints_what_would_be_published(sources: Path) -> None:
    wheel = sources / "dist" / Artefacts("1.2.3").wheel
    wheel.parent.mkdir()
    wheel.write_bytes(b"a wheel")
    printed = plan(sources, sources / "dist")
    assert "orders:1.2.3, orders:latest" in printed
    assert re.search(rf"{sha256(wheel)[:12]}…  {wheel.name}", printed)
    assert "not built yet  orders_1.2.3_all.deb" in printed


def test_the_notes_of_a_release_are_only_its_section(sources: Path) -> None:
    assert changelog(sources)["1.2.3"].text == "### Fixed\n\n- A comma.\n"


def test_checksums_are_written_only_for_complete_releases(sources: Path) -> None:
    artefacts = Artefacts("1.2.3")
    dist = sources / "dist"
    dist.mkdir()
    for name in artefacts.files:
        (dist / name).write_text(name)
    assert len(write_checksums(artefacts, dist).read_text().splitlines()) == len(artefacts.files)
    (dist / artefacts.wheel).unlink()
    (dist / "notes.txt").write_text("")
    with pytest.raises(WrongFiles) as error:
        write_checksums(artefacts, dist)
    assert f"{artefacts.wheel} is missing" in str(error.value)
    assert "notes.txt does not belong to 1.2.3" in str(error.value)


def test_the_projects_own_sources_can_be_read(tmp_path: Path) -> None:
    shutil.copy(ROOT / "CHANGELOG.md", tmp_path)
    assert "Unreleased" in changelog(tmp_path)
    assert "would publish" in plan(ROOT, tmp_path)
