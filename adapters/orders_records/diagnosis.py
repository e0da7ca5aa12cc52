"""Explains content of another form, and says what would help."""

import re
from collections.abc import Sequence
from typing import Final

from orders_core import FIELD_NAMES
from orders_records.csv_rows import CSV_HEADER

_MUST_BE: Final = f"the first line of CSV must be {CSV_HEADER}"
_NAMES: Final = " and ".join(FIELD_NAMES)
_SHOWN: Final = 60

_UTF_8: Final = "convert it to UTF-8 first, for example: iconv -f {} -t UTF-8"
_DECOMPRESS: Final = "compressed ({}): decompress it first"
_BINARY: Final = (
    (b"\xff\xfe\x00\x00", f"in UTF-32, not UTF-8: {_UTF_8.format('UTF-32')}"),
    (b"\x00\x00\xfe\xff", f"in UTF-32, not UTF-8: {_UTF_8.format('UTF-32')}"),
    (b"\xff\xfe", f"in UTF-16, not UTF-8: {_UTF_8.format('UTF-16')}"),
    (b"\xfe\xff", f"in UTF-16, not UTF-8: {_UTF_8.format('UTF-16')}"),
    (b"\x1f\x8b", _DECOMPRESS.format("gzip")),
    (b"BZh", _DECOMPRESS.format("bzip2")),
    (b"\xfd7zXZ\x00", _DECOMPRESS.format("xz")),
    (b"\x28\xb5\x2f\xfd", _DECOMPRESS.format("zstd")),
    (b"PK\x03\x04", "a ZIP archive, as .xlsx and .ods are: save it as CSV in UTF-8, or unpack it"),
    (b"\xd0\xcf\x11\xe0", "an old .xls workbook or the like: save it as CSV in UTF-8"),
    (b"%PDF-", "a PDF document: export the orders as CSV in UTF-8"),
    (b"SQLite format 3\x00", "a SQLite database: orders export, with its URL, writes its orders"),
)
# Latin text: of each character one byte is not 0.
_WITHOUT_MARK: Final = (
    (re.compile(rb"(?:[^\x00]\x00){2}"), "UTF-16", "LE"),
    (re.compile(rb"(?:\x00[^\x00]){2}"), "UTF-16", "BE"),
    (re.compile(rb"(?:[^\x00]\x00{3}){2}"), "UTF-32", "LE"),
    (re.compile(rb"(?:\x00{3}[^\x00]){2}"), "UTF-32", "BE"),
)

_SEPARATORS: Final = ((";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars"))
_OTHER_SEPARATOR: Final = re.compile(
    r"\s*(?P<separator>[^\w\",])\s*".join(f'"?{name}"?' for name in FIELD_NAMES[:2])
    + "".join(rf'\s*(?P=separator)\s*"?{name}"?' for name in FIELD_NAMES[2:]),
    re.IGNORECASE,
)
_QUOTES: Final = "\"'`\u2018\u2019\u201c\u201d"
_AMOUNT: Final = re.compile(r'"?-?[0-9]+(?:[.,][0-9]+)?"?')


def explain_encoding(beginning: bytes) -> str | None:
    """Explain content that is not text in UTF-8; None when it may be.

    Args:
        beginning: Its first line, or the beginning of a long one.
    """
    for magic, explanation in _BINARY:
        if beginning.startswith(magic):
            return f"the content is {explanation}"
    for pattern, encoding, order in _WITHOUT_MARK:
        if pattern.match(beginning):
            return f"the content is in {encoding}, not UTF-8: {_UTF_8.format(encoding + order)}"
    return None


def explain_header(line: bytes) -> str:
    """Explain a first line that is not a header of CSV.

    Args:
        line: The line with its line end, or the beginning of a long one; empty when there is none.
    """
    text = line.decode(errors="backslashreplace").rstrip("\n").removesuffix("\r")
    help_ = _help(text) if line else "the content is empty"
    return f"{_MUST_BE}; found {quoted(line)}{f': {help_}' if help_ else ''}"


def quoted(content: bytes) -> str:
    """Quote the beginning of the first line of content, with unprintable characters escaped."""
    text = content.decode(errors="backslashreplace").partition("\n")[0].removesuffix("\r")
    shown = "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii")
        for each in text[:_SHOWN]
    )
    return f'"{shown}{"..." if len(text) > _SHOWN else ""}"'


def _help(text: str) -> str:
    """Explain a line, and say what would help; empty when neither is known."""
    if not text.strip():
        return "the line is empty: delete the empty lines before the header"
    if "\r" in text:
        return "the lines end with CR alone: write LF or CRLF, for example: tr '\\r' '\\n'"
    if text.lower().lstrip('"').startswith("sep="):
        return "only Excel understands that line: delete it"
    first = text.lstrip()[0]
    if first == "<":
        return "that is HTML or XML: is it a login or error page instead of the orders?"
    if first in "[{":
        kind = "a JSON array" if first == "[" else "JSON"
        return f"that is {kind}, not CSV"
    for separator, name in _SEPARATORS:
        if text.count(separator) > 0 and text.count(separator) >= text.count(","):
            return _separated(name)
    other = _OTHER_SEPARATOR.fullmatch(text.strip())
    if other is not None:
        return _separated(quoted(other[1].encode()))
    return _help_with_names(text.split(","))


def _separated(by: str) -> str:
    return (
        f"the fields are separated by {by}: separate them by commas, "
        "and write amounts with a point, 12.30"
    )


def _help_with_names(fields: Sequence[str]) -> str:
    names = [_plain(each) for each in fields]
    if tuple(names) == FIELD_NAMES:
        return _help_with_spelling(fields)
    if sorted(names) == sorted(FIELD_NAMES):
        return f"the columns are in another order: put them as {CSV_HEADER}, in every row"
    missing = [name for name in FIELD_NAMES if name not in names]
    if not missing:
        more = ", ".join(quoted(each.encode()) for each in names if each not in FIELD_NAMES)
        more = more or "a duplicate"
        return f"there are more columns ({more}): keep only {_NAMES}, in this order"
    if len(fields) > 1 and _AMOUNT.fullmatch(fields[-1].strip()):
        return f"that looks like an order: put the header, {CSV_HEADER}, on a line before it"
    return f"there is no column {' and no column '.join(missing)}: name the columns {_NAMES}"


def _help_with_spelling(fields: Sequence[str]) -> str:
    joined = ",".join(fields)
    wrong = [
        *(["in lower case"] if joined != joined.lower() else []),
        *(["without spaces"] if any(each != each.strip() for each in fields) else []),
        *(["without quotes"] if any(each in joined for each in _QUOTES) else []),
        *(["without invisible characters"] if not joined.isprintable() else []),
    ]
    return f"write the names {' and '.join(wrong)}" if wrong else ""


def _plain(name: str) -> str:
    """Strip a name of quotes, spaces and invisible characters."""
    seen = "".join(each for each in name if each.isprintable())
    return seen.strip().strip(_QUOTES).strip().lower()
