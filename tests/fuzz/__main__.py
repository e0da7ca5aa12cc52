"""Run one fuzz target: `python -m tests.fuzz TARGET`.

A failing input is written into the folder of findings. To run it again:
`python -m tests.fuzz TARGET --again FILE`.
"""

import sys
import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Final

import atheris

from tests.fuzz.target import Target

_PRODUCT: Final = [
    *("orders_core", "orders_sqlite", "orders_postgres", "orders_records"),
    *("orders_service", "orders_http", "waitress.parser", "waitress.receiver"),
]


def main() -> None:
    """Run the target that the arguments name, until its executions are done or one fails."""
    # Imports in this context are instrumented, so that the fuzzer searches for new branches.
    with atheris.instrument_imports(include=_PRODUCT):
        from tests.fuzz.targets import TARGETS  # noqa: PLC0415 - it imports the product

    arguments = _arguments(tuple(TARGETS))
    target = TARGETS[arguments.target]
    if arguments.again is not None:
        target.check(arguments.again.read_bytes())
        return
    with tempfile.TemporaryDirectory() as folder:
        options = _options(target, arguments, Path(folder))
        atheris.Setup([sys.argv[0], *options], target.check)
        atheris.Fuzz()


def _arguments(names: tuple[str, ...]) -> Namespace:
    parser = ArgumentParser(prog="python -m tests.fuzz", description="Run one fuzz target.")
    parser.add_argument("target", choices=names)
    parser.add_argument("--runs", type=int, default=100_000, help="executions; by default 100000")
    parser.add_argument("--seed", type=int, default=1, help="draws the changes; by default 1")
    parser.add_argument("--findings", type=Path, default=Path(), help="folder for what fails")
    parser.add_argument("--again", type=Path, help="run this file alone")
    return parser.parse_args()


def _options(target: Target, arguments: Namespace, folder: Path) -> list[str]:
    """Write the seeds and the words to files, and return libFuzzer's options."""
    corpus, words = folder / "corpus", folder / "words"
    corpus.mkdir()
    for number, seed in enumerate(target.seeds):
        (corpus / f"{number:03}").write_bytes(seed)
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
    return [
        f"-atheris_runs={arguments.runs}",
        f"-seed={arguments.seed}",
        f"-max_len={target.max_bytes}",
        f"-dict={words}",
        f"-artifact_prefix={arguments.findings}/",
        "-len_control=0",
        "-print_final_stats=1",
        str(corpus),
    ]


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    main()
