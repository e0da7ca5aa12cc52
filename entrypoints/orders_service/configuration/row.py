"""What a setting is: one row, declared as an attribute of `Config`."""

from collections.abc import Callable, Iterable
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from attrs import Attribute, field, frozen

_ROW: Final = "setting"
_T = TypeVar("_T")


class TomlType(Enum):
    """Which TOML values a setting accepts, as an error message says it."""

    STRING = "a string"
    NUMBER = "a string or a whole number"
    LIST = "a string or a list of strings"

    def text(self, value: object) -> str | None:
        """Return an accepted TOML value as text, as a flag would give it; None for any other."""
        if isinstance(value, str):
            return value
        if self is TomlType.NUMBER and type(value) is int:
            return str(value)
        if self is TomlType.LIST and isinstance(value, list):
            return ",".join(value) if all(isinstance(each, str) for each in value) else None
        return None


@frozen
class Setting:
    """One thing that can be configured.

    Attributes:
        name: Its attribute of `Config` and its key in the TOML file.
        default: Its value unless someone gives one, as text; None for no value.
        explanation: What it means, for `--help` and the documentation.
        parse: Makes a value of a text. A `ValueError` says what is wrong with the text.
        show: Writes a value back as text, for `orders check`.
        toml: The TOML values it accepts.
        example: A value worth showing in a configuration file when the default is empty.
        secret: Whether its value must not be shown, and may come from a file.
        has_flag: Whether a flag may give it: everyone on the machine can read flags.
    """

    name: str
    default: str | None
    explanation: str
    parse: Callable[[Any], Any]
    show: Callable[[Any], str] = str
    toml: TomlType = TomlType.STRING
    example: str = ""
    secret: bool = False
    has_flag: bool = True

    @property
    def flag(self) -> str | None:
        """The command-line flag, if there is one."""
        return f"--{self.name.replace('_', '-')}" if self.has_flag else None

    @property
    def variable(self) -> str:
        """The environment variable. The database's have the names that other programs use."""
        prefix = "" if self.name.startswith("database_") else "ORDERS_"
        return f"{prefix}{self.name.upper()}"


def setting(  # noqa: PLR0913 - a row has that many columns
    default: str,
    explanation: str,
    *,
    parse: Callable[[str], _T],
    show: Callable[[_T], str] = str,
    toml: TomlType = TomlType.STRING,
    example: str = "",
) -> _T:
    """Declare an attribute of `Config` as a setting; see `Setting` for the arguments."""
    row = partial(
        Setting,
        default=default,
        explanation=explanation,
        parse=parse,
        show=show,
        toml=toml,
        example=example,
    )
    declared: _T = field(metadata={_ROW: row})
    return declared


def secret(default: str | None, explanation: str, *, has_flag: bool = True) -> str | Path | None:
    """Declare an attribute of `Config` as a secret: its text, or the path of a file with it."""
    row = partial(
        Setting,
        default=default,
        explanation=explanation,
        parse=_text_or_path,
        show=lambda value: "" if value is None else "***",
        secret=True,
        has_flag=has_flag,
    )
    declared: str | Path | None = field(metadata={_ROW: row}, repr=False)
    return declared


def settings_of(attributes: Iterable["Attribute[Any]"]) -> tuple[Setting, ...]:
    """List the settings among the attributes of a class."""
    return tuple(each.metadata[_ROW](each.name) for each in attributes if _ROW in each.metadata)


def _text_or_path(value: str | Path) -> str | Path:
    if isinstance(value, Path) and "\0" in str(value):
        raise ValueError("the path of the file holds a NUL character; no path can")
    return value
