"""Describe what a tag would publish, and find what is not ready for it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final

from release.artefacts import CHECKSUMS, Artefacts, sha256
from release.sources import Section, changelog, debian_release, is_date, project_version

_VERSION: Final = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


def problems(root: Path, dist: Path, tag: str | None) -> Sequence[str]:
    """List everything that prevents a release."""
    return [*_disagreements(root, tag), *_unexpected_files(Artefacts(project_version(root)), dist)]


def _disagreements(root: Path, tag: str | None) -> Iterator[str]:
    version = project_version(root)
    if not _VERSION.fullmatch(version):
        yield f"pyproject.toml: version {version} is not of the form MAJOR.MINOR.PATCH"
    if tag is not None and tag != f"v{version}":
        yield f"the tag is {tag}, but pyproject.toml has {version}: use the tag v{version}"
    debian = debian_release(root)
    if debian.version != version:
        yield f"debian/changelog: the newest entry is {debian.version}, not {version}"
    if debian.distribution == "UNRELEASED":
        yield "debian/changelog: the newest entry is UNRELEASED; run `dch --release`"
    yield from _unwritten(changelog(root), version, debian.moment.date())


def _unwritten(sections: Mapping[str, Section], version: str, released: date) -> Iterator[str]:
    section = sections.get(version)
    if section is None:
        yield f"CHANGELOG.md has no section '## [{version}] - DATE'"
    else:
        if not is_date(section.date):
            yield f"CHANGELOG.md: section {version} has no date, such as ' - 2026-11-24'"
        elif section.date != released.isoformat():
            yield (
                f"CHANGELOG.md: section {version} is dated {section.date}, but the entry in"
                f" debian/changelog {released}"
            )
        if not section.text.strip():
            yield f"CHANGELOG.md: section {version} is empty"
    unreleased = sections.get("Unreleased")
    if unreleased is None:
        yield "CHANGELOG.md has no section '## [Unreleased]' for later changes"
    elif unreleased.text.strip():
        yield f"CHANGELOG.md: move the entries under 'Unreleased' to {version}, or to a branch"


def _unexpected_files(artefacts: Artefacts, dist: Path) -> Iterator[str]:
    ours = {*artefacts.files, CHECKSUMS}
    names = sorted(file.name for file in dist.iterdir()) if dist.is_dir() else []
    for name in names:
        if name not in ours:
            yield f"{dist}/{name}: a release of {artefacts.version} has no such file; remove it"


def plan(root: Path, dist: Path) -> str:
    """Describe what a tag would publish."""
    version = project_version(root)
    artefacts = Artefacts(version)
    section = changelog(root).get(version)
    lines = section.text.count("\n") if section else 0
    return "\n".join(
        (
            f"The tag v{version} would publish",
            f"  on PyPI          {artefacts.wheel}",
            f"                   {artefacts.source}",
            f"  as an image      orders:{', orders:'.join(artefacts.image_tags)}",
            f"  as release       Orders {version}, with {lines} lines of CHANGELOG.md and",
            *(f"    {_state(dist / name)}  {name}" for name in (*artefacts.files, CHECKSUMS)),
            "",
        )
    )


def _state(file: Path) -> str:
    return f"{sha256(file)[:12]}…" if file.exists() else "not built yet"
