"""Names and values as SQL text."""

from collections.abc import Iterable


def identifier(name: str) -> str:
    """Quote a name so that it stands for itself, whatever characters it contains."""
    return '"' + name.replace('"', '""') + '"'


def array(texts: Iterable[str]) -> str:
    """Write an array as PostgreSQL reads it ("Array Input and Output Syntax").

    Every element is quoted: pg8000 would quote some, and send the text `null` as NULL.
    """
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join(f'"{text}"' for text in quoted) + "}"
