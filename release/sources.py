"""The version, the changelog and the Debian changelog of the sources."""

import re
import tomllib
from datetime import date, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

from attrs import frozen

_SECTION: Final = re.compile(r"^## \[(?P<name>[^\]]+)\](?: - (?P<date>\S+))?$", re.MULTILINE)
_LINK: Final = re.compile(r"^\[[^\]]+\]: \S+$", re.MULTILINE)


@frozen
class Section:
    """A section of CHANGELOG.md.

    Attributes:
        date: The release date as written in the heading, if any.
        text: The changes, without the heading.
    """

    date: str | None
    text: str


@frozen
class DebianRelease:
    """The newest entry of debian/changelog."""

    version: str
    distribution: str
    moment: datetime


def project_version(root: Path) -> str:
    """Return the version in pyproject.toml."""
    version: str = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    return version


def changelog(root: Path) -> dict[str, Section]:
    """Return the sections of CHANGELOG.md by version."""
    text = (root / "CHANGELOG.md").read_text("utf-8")
    headings = list(_SECTION.finditer(text))
    ends = [*(heading.start() for heading in headings[1:]), len(text)]
    return {
        heading["name"]: Section(
            heading["date"], _LINK.sub("", text[heading.end() : end]).strip() + "\n"
        )
        for heading, end in zip(headings, ends, strict=True)
    }


def debian_release(root: Path) -> DebianRelease:
    """Return the newest entry of debian/changelog."""
    text = (root / "debian/changelog").read_text("utf-8")
    first = re.match(r"orders \((\S+)\) (\S+);", text)
    signed = re.search(r"^ -- .*>  (.+)$", text, re.MULTILINE)
    if first is None or signed is None:
        raise ValueError(
            "debian/changelog must begin with 'orders (VERSION) DISTRIBUTION; ...', and its entry"
            " must end with ' -- NAME <ADDRESS>  DATE'; `dch` writes both"
        )
    return DebianRelease(first[1], first[2], parsedate_to_datetime(signed[1]))


def is_date(text: str | None) -> bool:
    """Whether this is a date such as 2026-11-24."""
    if text is None:
        return False
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
