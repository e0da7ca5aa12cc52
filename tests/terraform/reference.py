"""The inputs and outputs of the Terraform modules, as their READMEs list them.

Run as a program, it writes the lists anew: `make reference`.
"""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import hcl2
from attrs import frozen

TERRAFORM: Final = Path(__file__).parents[2] / "terraform"
MODULES: Final = (TERRAFORM, *sorted((TERRAFORM / "modules").iterdir()))

_BEGIN: Final = "<!-- inputs and outputs: written by `make reference` -->"
_END: Final = "<!-- end of inputs and outputs -->"


@frozen
class Declared:
    """A variable or an output of a module."""

    name: str
    fields: dict[str, object]

    @property
    def description(self) -> str:
        """What it is, on one line."""
        return " ".join(_text(self.fields.get("description", "")).split())

    @property
    def type(self) -> str:
        """The type of a variable, without the fields of objects."""
        whole = str(self.fields["type"]).removeprefix("${").removesuffix("}")
        return re.sub(r"object\(\{.*\}\)", "object", whole, flags=re.DOTALL)

    @property
    def default(self) -> str:
        """The default of a variable as it is written, or that there is none."""
        if "default" not in self.fields:
            return "required"
        return f"`{_written(self.fields['default'])}`"

    @property
    def sensitive(self) -> bool:
        """Tell whether Terraform hides the value."""
        return self.fields.get("sensitive") is True


def _text(literal: object) -> str:
    """Give what a string of HCL says, be it quoted or a heredoc."""
    quoted = str(literal).removeprefix('"').removesuffix('"')
    heredoc = re.fullmatch(r"<<-?(\w+)\n(.*)\n\s*\1", quoted, flags=re.DOTALL)
    return textwrap.dedent(heredoc[2]) if heredoc else quoted.replace('\\"', '"')


def _written(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case list():
            return f"[{', '.join(map(_written, value))}]"
        case dict():
            return "{}" if not value else "{...}"
        case _:
            return str(value)


def declared(module: Path, kind: str, file: str) -> Iterator[Declared]:
    """Read the declarations of a module, in their order."""
    for block in hcl2.loads((module / file).read_text(encoding="utf-8")).get(kind, []):
        ((name, fields),) = ((key, value) for key, value in block.items() if key[0] == '"')
        yield Declared(name.strip('"'), fields)


def reference(module: Path) -> str:
    """List the inputs and outputs of a module in Markdown."""
    lines = ["| Input | What it is | Type | Default |", "|---|---|---|---|"]
    lines += [
        f"| `{each.name}` | {each.description} | `{each.type}` | {each.default} |"
        for each in declared(module, "variable", "variables.tf")
    ]
    lines += ["", "| Output | What it is |", "|---|---|"]
    lines += [
        f"| `{each.name}` | {each.description}{' Sensitive.' if each.sensitive else ''} |"
        for each in declared(module, "output", "outputs.tf")
    ]
    return "\n".join(lines)


def documented(module: Path) -> str:
    """Give the README of a module with its lists as they should be."""
    before, _, rest = (module / "README.md").read_text(encoding="utf-8").partition(_BEGIN)
    _, end, after = rest.partition(_END)
    assert end, f"{module / 'README.md'} has no place for its inputs and outputs: {_BEGIN}, {_END}"
    return f"{before}{_BEGIN}\n\n{reference(module)}\n\n{_END}{after}"


def _write() -> None:
    for module in MODULES:
        (module / "README.md").write_text(documented(module), encoding="utf-8")


if __name__ == "__main__":
    _write()
