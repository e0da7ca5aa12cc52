"""Runs `orders` for the tests: in this process, or in a new one."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

import pytest
from attrs import frozen

from orders_cli.main import main
from orders_service.configuration.settings import SETTINGS
from tests.service_python import SERVICE_PATH, SERVICE_PYTHON

VARIABLES: Final = frozenset(
    {"ORDERS_CONFIG", "ORDERS_UNIT"}
    | {setting.variable for setting in SETTINGS}
    | {f"{setting.variable}_FILE" for setting in SETTINGS},
)


@frozen
class Ended:
    """How a command ended: its exit status and what it wrote."""

    status: int
    out: str
    err: str


@frozen
class Orders:
    """The command, in an empty folder and without settings in its environment."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str | Path, **environ: str) -> Ended:
        """Run a command to its end, in this process, with nothing on its standard input."""
        return self.read(b"", *arguments, **environ)

    def read(self, stdin: bytes, /, *arguments: str | Path, **environ: str) -> Ended:
        """Run a command to its end, in this process, with this on its standard input."""
        file = self.folder / ".stdin"
        file.write_bytes(stdin)
        with self.monkeypatch.context() as patch, file.open() as opened:
            patch.setattr(sys, "stdin", opened)
            for name, value in environ.items():
                patch.setenv(name, value)
            try:
                status: Any = main([str(each) for each in arguments])
            except SystemExit as ended:
                status = ended.code
        captured = self.capsys.readouterr()
        return Ended(int(status), captured.out, captured.err)

    def start(  # noqa: PLR0913 - what a process is started with
        self,
        *arguments: str | Path,
        stdin: int | IO[bytes] | None = subprocess.DEVNULL,
        stdout: int | IO[bytes] = subprocess.PIPE,
        stderr: int | IO[bytes] = subprocess.PIPE,
        environ: Mapping[str, str] | None = None,
        without: str | None = None,
        before: str = "",
        redirected: str = "",
    ) -> subprocess.Popen[bytes]:
        """Start a command in a new process.

        Args:
            arguments: The arguments of `orders`.
            stdin: As in `subprocess`, like `stdout` and `stderr`.
            stdout: By default a pipe.
            stderr: By default a pipe.
            environ: Variables to add to those of this process, without its settings.
            without: A module to hide.
            before: Python code to run first.
            redirected: A redirection by a shell, such as `<&-` to close standard input.
        """
        # Python's own way to say that a module cannot be imported.
        missing = "" if without is None else f"import sys; sys.modules[{without!r}] = None; "
        program = f"{before}{missing}from orders_cli.main import run; run()"
        kept = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        return subprocess.Popen(
            [
                "sh",
                "-c",
                f'exec "$@" {redirected}',
                "sh",
                SERVICE_PYTHON,
                "-c",
                program,
                *arguments,
            ],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=self.folder,
            env={**kept, "PYTHONPATH": SERVICE_PATH, **(environ or {})},
            start_new_session=True,
        )
