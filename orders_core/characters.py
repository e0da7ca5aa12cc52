"""Characters that are forbidden in ids, or at their ends, and how to show invisible ones.

The ranges are listed here because the Unicode tables of Python and PyPy differ from release to
release: an id that one accepts must not be refused by another.
"""

import re
import unicodedata
from typing import Final

Ranges = tuple[tuple[int, int], ...]
"""First and last code points."""

CONTROLS: Final[Ranges] = ((0x00, 0x1F), (0x7F, 0x9F))
"""Unicode's category Cc."""

SURROGATES: Final[Ranges] = ((0xD800, 0xDFFF),)
"""Unicode's category Cs: a lone surrogate has no UTF-8 form."""

SPACES: Final[Ranges] = (
    *((0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A)),
    *((0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000)),
)
"""The characters that `str.isspace` accepts, without control characters."""

INVISIBLE: Final[Ranges] = (
    *((0x00AD, 0x00AD), (0x034F, 0x034F), (0x0600, 0x0605), (0x061C, 0x061C)),
    *((0x06DD, 0x06DD), (0x070F, 0x070F), (0x0890, 0x0891), (0x08E2, 0x08E2)),
    *((0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x200B, 0x200F)),
    *((0x202A, 0x202E), (0x2060, 0x206F), (0x2800, 0x2800), (0x3164, 0x3164)),
    *((0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB)),
    *((0x110BD, 0x110BD), (0x110CD, 0x110CD), (0x13430, 0x1343F), (0x16FE4, 0x16FE4)),
    *((0x1BCA0, 0x1BCA3), (0x1D159, 0x1D159), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)),
)
"""Characters that change a text and may be invisible.

Unicode's category Cf and its property Default_Ignorable_Code_Point (variation selectors, fillers,
tags, and the code points reserved for such), and four that are drawn blank: the braille blank,
the Khitan filler, the null notehead. Some of Cf are visible in a font that has them; they are
listed because other programs know the category as the rule.
"""

_NAMED_AT_MOST: Final = 3


def class_of(ranges: Ranges) -> str:
    """Write ranges as the inside of a regular expression's character class."""
    return "".join(rf"\U{first:08x}-\U{last:08x}" for first, last in ranges)


UNUSABLE_CLASS: Final = class_of(CONTROLS + SURROGATES)
"""What ids must not contain, as the inside of a character class."""

EDGE_CLASS: Final = class_of(SPACES + INVISIBLE)
"""What ids must not begin or end with, as the inside of a character class."""

_INVISIBLE: Final = re.compile(f"[{class_of(INVISIBLE)}]")


def name_of(character: str) -> str:
    """Name a character, as in `U+200B ZERO WIDTH SPACE`."""
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X} {name}".rstrip()


def is_invisible(character: str) -> bool:
    """Tell whether a character may be invisible."""
    return _INVISIBLE.match(character) is not None


def split_invisible(text: str) -> list[str]:
    """Split a text so that each invisible character is a separate part."""
    return [part for part in re.split(f"({_INVISIBLE.pattern})", text) if part]


def without_invisible(text: str) -> str:
    """Remove every invisible character."""
    return _INVISIBLE.sub("", text)


def quoted(text: str) -> str:
    """Quote a text for a message, with marks such as `<U+200B>` for invisible characters."""
    return repr(_INVISIBLE.sub(lambda found: f"<U+{ord(found[0]):04X}>", text))


def invisible_names(text: str) -> str:
    """Name the invisible characters in a text; empty when there are none."""
    found = list(dict.fromkeys(_INVISIBLE.findall(text)))
    names = [name_of(each) for each in found[:_NAMED_AT_MOST]]
    more = len(found) - len(names)
    return ", ".join([*names, f"and {more} more"] if more else names)
