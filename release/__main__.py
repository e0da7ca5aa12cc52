"""`python -m release`: check, describe and complete a release. The Makefile runs it."""

import argparse
import sys
from pathlib import Path
from typing import Final

from release.artefacts import Artefacts, WrongFiles, write_checksums
from release.check import plan, problems
from release.sbom import NothingToDescribe, write_sboms
from release.sources import changelog, project_version

ROOT: Final = Path(__file__).parents[1]


def main() -> int:
    """Run the command line and return the exit status."""
    arguments = _parser().parse_args()
    try:
        match arguments.command:
            case "check":
                return _check(arguments.dist, arguments.tag)
            case "notes":
                return _notes()
            case "checksums":
                print(write_checksums(Artefacts(project_version(ROOT)), arguments.dist))
            case "sbom":
                for file in write_sboms(ROOT, arguments.dist, arguments.image):
                    print(file)
    except (WrongFiles, NothingToDescribe) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _check(dist: Path, tag: str | None) -> int:
    print(plan(ROOT, dist))
    found = problems(ROOT, dist, tag)
    for problem in found:
        print(f"release-check: {problem}", file=sys.stderr)
    if found:
        return 1
    print("Everything agrees.")
    return 0


def _notes() -> int:
    version = project_version(ROOT)
    section = changelog(ROOT).get(version)
    if section is None:
        print(f"CHANGELOG.md has no section '## [{version}] - DATE'", file=sys.stderr)
        return 1
    print(section.text, end="")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m release", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    dist = argparse.ArgumentParser(add_help=False)
    dist.add_argument(
        "--dist", type=Path, default=Path("dist"), help="the folder of the built files"
    )
    check = commands.add_parser("check", parents=[dist], help="print what a tag would publish")
    check.add_argument("--tag", help="the tag; it must match the version")
    commands.add_parser("notes", help="print the changelog's section on this version")
    commands.add_parser(
        "checksums", parents=[dist], help="write the checksums of a complete release"
    )
    sbom = commands.add_parser(
        "sbom", parents=[dist], help="write bills of materials of the built files"
    )
    sbom.add_argument("--image", help="describe this local Docker image instead")
    return parser


if __name__ == "__main__":
    sys.exit(main())
