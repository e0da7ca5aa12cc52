"""Small text files written by people: settings, secrets, tokens. UTF-8, no byte order mark."""

from typing import Final

_MARK: Final = b"\xef\xbb\xbf"
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_SAVE: Final = "save it as UTF-8 without a byte order mark"


class UnusableText(ValueError):
    """The content is not such text; the message says why and what to do, without quoting it."""


def decoded(content: bytes) -> str:
    """Decode the content of a file.

    Raises:
        UnusableText: It is not UTF-8, or begins with a byte order mark.
    """
    if content.startswith(_MARK):
        message = f"line 1: begins with a byte order mark (U+FEFF); {_SAVE}"
        raise UnusableText(message)
    if content.startswith(_UTF_16):
        message = f"is UTF-16; {_SAVE}"
        raise UnusableText(message)
    before, nul, _ = content.partition(b"\0")
    if nul:
        line = before.count(b"\n") + 1
        message = f"line {line}: contains a NUL byte, as UTF-16 and binary files do; {_SAVE}"
        raise UnusableText(message)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"line {line}: is not UTF-8; {_SAVE}"
        raise UnusableText(message) from None
