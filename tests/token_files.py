"""Token files for tests."""

import os
from collections.abc import Mapping
from itertools import count
from pathlib import Path

from orders_tokens import Scope, Token, TokenFile, new_secret


def scopes_of(text: str) -> list[Scope]:
    """Read scopes, such as `read,write`."""
    return [Scope(each) for each in text.split(",")]


def write_tokens(path: Path, **scopes: str) -> Mapping[str, str]:
    """Make tokens, by their names, and put them into a file in one step.

    Args:
        path: The file.
        scopes: Of each token, such as `shop="read,write"`.

    Returns:
        The text of each token, by its name.
    """
    secrets = {name: new_secret() for name in scopes}
    tokens = [
        Token.of_secret(name, scopes_of(text), secrets[name]) for name, text in scopes.items()
    ]
    put(path, "".join(f"{token.line()}\n" for token in tokens))
    return secrets


def put(path: Path, content: str | bytes) -> None:
    """Put a content in the place of a file, as an editor does: whole, under a new inode."""
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(content if isinstance(content, bytes) else content.encode())
    new.chmod(0o644)
    new.replace(path)


def overwrite_unseen(path: Path, content: bytes) -> None:
    """Overwrite a file so that its size, its time and its inode stay as they were."""
    status = path.stat()
    assert len(content) == status.st_size
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def watched(path: Path) -> TokenFile:
    """Open a token file that is looked at again at each use: its clock leaps."""
    seconds = count(0, 100)
    return TokenFile(path, lambda: float(next(seconds)))
