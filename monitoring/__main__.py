"""`python -m monitoring` writes all generated files. `make monitoring` calls it."""

import argparse
import sys

from monitoring.files import ROOT, files, rule_file


def main() -> int:
    """Run the command line, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m monitoring", description=__doc__)
    parser.add_argument(
        "--rules-faster",
        type=int,
        metavar="FACTOR",
        help="only print the rules, with all windows shortened by this factor",
    )
    arguments = parser.parse_args()
    if arguments.rules_faster is not None:
        sys.stdout.write(rule_file(arguments.rules_faster))
        return 0
    for name, content in files().items():
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
