"""The files and names that a release publishes."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from attrs import frozen

CHECKSUMS: Final = "SHA256SUMS"
SBOM: Final = ".cdx.json"


@frozen
class Artefacts:
    """The files of a version, and where they are published."""

    version: str

    @property
    def wheel(self) -> str:
        """The wheel, for PyPI."""
        return f"orders_core-{self.version}-py3-none-any.whl"

    @property
    def source(self) -> str:
        """The source archive, for PyPI."""
        return f"orders_core-{self.version}.tar.gz"

    @property
    def package(self) -> str:
        """The Debian package."""
        return f"orders_{self.version}_all.deb"

    @property
    def requirements(self) -> str:
        """The libraries that the service needs, with hashes."""
        return f"orders_core-{self.version}-requirements.txt"

    @property
    def image_sbom(self) -> str:
        """The bill of materials of the image."""
        return f"orders_{self.version}_image{SBOM}"

    @property
    def image_tags(self) -> Sequence[str]:
        """The image's tags."""
        return (self.version, "latest")

    @property
    def files(self) -> Sequence[str]:
        """Every file of the release except the checksums."""
        return (
            self.wheel,
            self.source,
            self.package,
            self.requirements,
            self.wheel + SBOM,
            self.package + SBOM,
            self.image_sbom,
        )


class WrongFiles(Exception):
    """The folder does not contain exactly the files of a release."""


def sha256(file: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def write_checksums(artefacts: Artefacts, dist: Path) -> Path:
    """Write the checksums of a complete release in the format of `sha256sum --check`.

    Raises:
        WrongFiles: A file is missing, or there is one that no release has.
    """
    found = {file.name for file in dist.iterdir()} - {CHECKSUMS}
    missing = [name for name in artefacts.files if name not in found]
    unexpected = sorted(found - set(artefacts.files))
    if missing or unexpected:
        raise WrongFiles(
            "\n".join(
                (
                    *(f"{dist}/{name} is missing" for name in missing),
                    *(
                        f"{dist}/{name} does not belong to {artefacts.version}"
                        for name in unexpected
                    ),
                )
            )
        )
    file = dist / CHECKSUMS
    lines = [f"{sha256(dist / name)}  {name}\n" for name in sorted(artefacts.files)]
    file.write_text("".join(lines), "utf-8")
    return file
