"""The examples of the README work as printed."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from attrs import frozen

from tests.service_process import running_service

README: Final = Path(__file__).parents[2] / "README.md"
_BLOCK: Final = re.compile(
    r"^```(?P<language>\w+)\n(?P<content>.*?)^```$", re.DOTALL | re.MULTILINE
)
_ELLIPSIS: Final = "..."


@frozen
class Example:
    """A command of the README and its printed output, in which `...` matches anything."""

    command: str
    printed: str


def blocks(language: str) -> list[str]:
    return [
        block["content"]
        for block in _BLOCK.finditer(README.read_text(encoding="utf-8"))
        if block["language"] == language
    ]


def console_examples() -> Iterator[Example]:
    for block in blocks("console"):
        for example in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = example.splitlines()
            following = next(
                number for number, line in enumerate([*lines[1:], ""], 1) if line[:2] != "> "
            )
            command = "\n".join([lines[0], *(line[2:] for line in lines[1:following])])
            yield Example(command, "\n".join(lines[following:]))


def matches(printed: str, expected: str) -> bool:
    """Compare; three dots in the expected output match anything, including lines."""
    pattern = re.escape(expected).replace(re.escape(_ELLIPSIS), "(?s:.*?)")
    return re.fullmatch(pattern, printed) is not None


def test_the_console_examples_print_what_the_readme_shows(tmp_path: Path) -> None:
    """All examples run against one service, in order, as a reader would type them."""
    examples = list(console_examples())
    assert len(examples) >= 10
    # `orders` is the command in the environment of the tests.
    path = os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"])
    with running_service(f"sqlite:///{tmp_path / 'orders.db'}") as service:
        for example in examples:
            ran = subprocess.run(
                ["bash", "-c", example.command.replace("http://127.0.0.1:8000", service.url)],
                check=True,
                capture_output=True,
                text=True,
                env={"PATH": path},
                cwd=tmp_path,
            )
            printed = ran.stdout.replace("\r\n", "\n").rstrip("\n")
            assert matches(printed, example.printed.rstrip("\n")), f"{example.command}\n{printed}"


def test_the_python_examples_print_what_the_readme_shows(tmp_path: Path) -> None:
    printed = ""
    for number, example in enumerate(blocks("python")):
        module = tmp_path / f"example_{number}.py"
        module.write_text(example, encoding="utf-8")
        ran = subprocess.run([sys.executable, module], check=True, capture_output=True, text=True)
        printed += ran.stdout
    assert printed == blocks("text")[0]


@pytest.mark.parametrize("script", blocks("sh"))
def test_the_shell_examples_are_valid_shell(script: str) -> None:
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_every_link_to_a_file_leads_to_a_file() -> None:
    linked = re.findall(r"\]\((?!https?://)([^)#]+)", README.read_text(encoding="utf-8"))
    assert linked
    assert [link for link in linked if not (README.parent / link).exists()] == []
