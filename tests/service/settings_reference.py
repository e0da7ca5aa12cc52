"""Where files outside the code list the settings: the documentation, the manual, Debian's example.

Run as a program, it writes the lists again: `make settings`.
"""

import json
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from attrs import frozen

from orders_service.configuration.row import Setting
from orders_service.configuration.settings import SETTINGS

_ROOT: Final = Path(__file__).parents[2]
_WIDTH: Final = 100
# The units of Debian's sockets say where to listen.
_SOCKETS: Final = frozenset({"listen", "ops_listen"})


@frozen
class Listing:
    """A part of a file that lists the settings.

    Attributes:
        file: The file.
        after: The text before the list.
        before: The text after the list.
        write: Writes the list.
    """

    file: Path
    after: str
    before: str
    write: Callable[[Sequence[Setting]], str]

    def found(self) -> str:
        """Read the list in the file."""
        return self.file.read_text("utf-8").partition(self.after)[2].partition(self.before)[0]

    def replace(self, written: str) -> None:
        """Write the list into the file."""
        head, after, rest = self.file.read_text("utf-8").partition(self.after)
        _, before, tail = rest.partition(self.before)
        self.file.write_text(f"{head}{after}{written}{before}{tail}", "utf-8")


def _table(settings: Sequence[Setting]) -> str:
    def row(setting: Setting) -> str:
        codes = (setting.name, setting.flag, setting.variable, setting.default)
        cells = [*(f" `{code}` " if code else " " for code in codes), f" {setting.explanation} "]
        return f"|{'|'.join(cells)}|\n"

    return "".join(map(row, settings))


def _manual(settings: Sequence[Setting]) -> str:
    def entry(setting: Setting) -> str:
        flag = f"{setting.flag}".replace("-", "\\-")
        file = f", or {setting.variable}_FILE for a file that holds it" if setting.secret else ""
        default = f"Default: {setting.default}.\n" if setting.default else ""
        return (
            f'.TP\n.BI "{flag} " VALUE\n{_sentence(setting)}\n'
            f"Environment: {setting.variable}{file}.\n{default}"
        )

    return "".join(entry(each) for each in settings if each.flag)


def _example(settings: Sequence[Setting]) -> str:
    return "".join(
        f"{textwrap.fill(_sentence(each), _WIDTH, initial_indent='# ', subsequent_indent='# ')}\n"
        f"#{each.name} = {json.dumps(each.default or each.example)}\n\n"
        for each in settings
        if not each.secret and each.name not in _SOCKETS
    )


def _sentence(setting: Setting) -> str:
    text = setting.explanation
    return f"{text[0].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


LISTINGS: Final[Mapping[str, Listing]] = {
    "documentation": Listing(
        _ROOT / "docs/configuration.md",
        "| Key in TOML | Flag | Environment | Default | Meaning |\n|---|---|---|---|---|\n",
        "\nNumbers may be",
        _table,
    ),
    "manual": Listing(
        _ROOT / "docs/orders.1",
        "Environment: ORDERS_CONFIG.\n",
        ".PP\n",
        _manual,
    ),
    "example": Listing(
        _ROOT / "debian/orders.toml",
        '#database_password_file = "/etc/orders/database-password"\n\n',
        "# The socket units",
        _example,
    ),
}


if __name__ == "__main__":
    for listing in LISTINGS.values():
        listing.replace(listing.write(SETTINGS))
