"""`orders token`: makes, lists and revokes tokens."""

import fcntl
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from orders_cli.exits import Exit
from orders_cli.standard_error import tell
from orders_cli.whole_file import replacing
from orders_service.configuration.settings import Config, InvalidConfig
from orders_tokens import (
    LOOK_SECONDS,
    Scope,
    Token,
    new_secret,
    parse_tokens,
    read_tokens,
)

# The service often reads it as another user, and it holds no secret.
_NEW_FILE_MODE: Final = 0o644
_SOON: Final = f"a running service reads it within {LOOK_SECONDS:.0f} s"


def make_token(config: Config, name: str, scopes: Sequence[str], *, add: bool) -> int:
    """Make a token, print it once, and add its line to the token file or show the line.

    Args:
        config: Where the token file is.
        name: Its name.
        scopes: Its scopes; empty for `read`.
        add: Whether to add its line to the file; otherwise the line goes to standard error.

    Raises:
        InvalidConfig: No file is configured, or it cannot be used.
        OSError: The file cannot be written.
    """
    secret = new_secret()
    try:
        token = Token.of_secret(name, map(Scope, scopes or ["read"]), secret)
    except ValueError as error:
        tell(str(error))
        return Exit.USAGE
    if not add:
        print(secret, flush=True)
        print(token.line(), file=sys.stderr)
        return Exit.DONE

    def added(lines: list[bytes], tokens: Sequence[Token]) -> list[bytes] | None:
        if any(other.name == name for other in tokens):
            return None
        whole = [line if line.endswith(b"\n") else line + b"\n" for line in lines]
        return [*whole, f"{token.line()}\n".encode()]

    file = _file(config)
    if not _change(file, added):
        tell(f"{file}: the token {name} already exists; nothing was changed")
        return Exit.REFUSED
    print(secret, flush=True)
    tell(f"added {name} ({token.scope_list()}) to {file}; {_SOON}")
    return Exit.DONE


def revoke_token(config: Config, name: str) -> int:
    """Remove a token from the token file.

    Raises:
        InvalidConfig: No file is configured, or it cannot be used.
        OSError: The file cannot be written.
    """

    def without(lines: list[bytes], tokens: Sequence[Token]) -> list[bytes] | None:
        revoked = [token for token in tokens if token.name == name]
        if not revoked:
            return None
        return [line for line in lines if parse_tokens(line.rstrip(b"\n")) != tuple(revoked)]

    file = _file(config)
    if not _change(file, without):
        tell(f"{file}: the token {name} does not exist; nothing was changed")
        return Exit.REFUSED
    tell(f"revoked {name} in {file}; {_SOON}")
    return Exit.DONE


def list_tokens(config: Config) -> int:
    """Print the name and the scopes of every token, one per line.

    Raises:
        InvalidConfig: No file is configured, or it cannot be used.
    """
    for token in read_tokens(_file(config)):
        print(f"{token.name} {token.scope_list()}")
    return Exit.DONE


def _file(config: Config) -> Path:
    if config.tokens_file is None:
        raise InvalidConfig([f"no tokens_file is set; name it with {config.set_by('tokens_file')}"])
    return config.tokens_file


def _change(
    file: Path,
    change: Callable[[list[bytes], Sequence[Token]], list[bytes] | None],
) -> bool:
    """Change the lines of a token file in one step; None changes nothing.

    Comments, order, mode and owner of the file stay.

    Raises:
        InvalidTokens: The file cannot be used.
        OSError: It cannot be written.
    """
    with _locked(file.resolve().parent):
        content = b""
        exists = file.exists()
        tokens: Sequence[Token] = ()
        if exists:
            tokens = read_tokens(file)
            content = file.read_bytes()
        lines = change(io.BytesIO(content).readlines(), tokens)
        if lines is None:
            return False
        with replacing(file, _NEW_FILE_MODE) as target:
            if exists:
                status = file.stat()
                os.fchown(target.fileno(), status.st_uid, status.st_gid)
            target.writelines(lines)
    return True


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Wait for other commands that change files in a folder, and exclude them (flock(2))."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
