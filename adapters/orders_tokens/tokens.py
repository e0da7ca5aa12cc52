"""Clients' tokens, stored as hashes in a file that is read again when it changes.

A token is `orders_` and 256 random bits. The file holds the SHA-256 of each token. A slow, salted
hash would add nothing: it protects secrets that can be guessed (NIST SP 800-63B, section 5.1.2.2,
requires one below 112 bits).
"""

import hashlib
import hmac
import logging
import math
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterable
from enum import Enum
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Final

from attrs import field, frozen

from orders_core.plain_text import UnusableText, decoded

_LOG: Final = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0
"""Minimum seconds between two checks of the file."""

_PREFIX: Final = "orders_"  # so that scanners for leaked secrets recognise a token
_RANDOM_BYTES: Final = 32
_TOKEN: Final = re.compile(rf"{_PREFIX}[0-9a-f]{{{2 * _RANDOM_BYTES}}}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HASH: Final = re.compile(r"sha256:([0-9a-f]{64})")
_BLANKS: Final = re.compile(r"[ \t]+")
_WORDS: Final = 3
_WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH

_Version = tuple[int, ...] | None
_UNSEEN: Final[_Version] = ()


class InvalidTokens(Exception):
    """The token file cannot be used. No problem quotes its content.

    Attributes:
        problems: Everything that is wrong, at least one.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        """Take every problem found, so that one answer can list them all."""
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class Scope(Enum):
    """What a token allows. Neither scope includes the other."""

    READ = "read"
    WRITE = "write"


@frozen
class Token:
    """A token as the file describes it.

    Attributes:
        name: Its name.
        scopes: What it allows, at least one scope.
        digest: The SHA-256 of the token's text.
    """

    name: str
    scopes: frozenset[Scope]
    digest: bytes = field(repr=False)

    @classmethod
    def of_secret(cls, name: str, scopes: Iterable[Scope], secret: str) -> "Token":
        """Describe a new token.

        Raises:
            ValueError: A token cannot have this name.
        """
        if not _NAME.fullmatch(name):
            raise ValueError(_NAME_RULE)
        return cls(name, frozenset(scopes), _digest(secret))

    def line(self) -> str:
        """Write its line of the file, without the line end."""
        return f"{self.name} {self.scope_list()} sha256:{self.digest.hex()}"

    def scope_list(self) -> str:
        """Write the scopes as in the file: `read,write`."""
        return ",".join(scope.value for scope in Scope if scope in self.scopes)

    def is_of(self, secret: str) -> bool:
        """Tell in constant time whether it describes this token."""
        return hmac.compare_digest(self.digest, _digest(secret))


_NAME_RULE: Final = (
    "the name of a token is 1 to 64 ASCII letters, digits, dots, hyphens and underscores, and "
    "begins with a letter or a digit"
)


def new_secret() -> str:
    """Make a random token."""
    return _PREFIX + secrets.token_hex(_RANDOM_BYTES)


def bits_of(secret: str) -> bytes:
    """Return the random bits of a token."""
    return bytes.fromhex(secret.removeprefix(_PREFIX))


def secret_of(bits: bytes) -> str:
    """Return the token with these random bits."""
    return _PREFIX + bits.hex()


def parse_tokens(content: bytes) -> tuple[Token, ...]:
    """Read the content of a token file.

    Each line is a name, its scopes and the hash: `shop read,write sha256:...`. Empty lines and
    lines that begin with `#` are ignored.

    Raises:
        InvalidTokens: With every wrong line by its number, counted from 1.
    """
    tokens: dict[int, Token] = {}
    problems = []
    try:
        text = decoded(content)
    except UnusableText as error:
        raise InvalidTokens([str(error)]) from None
    for number, raw in enumerate(text.split("\n"), 1):
        try:
            line = raw.strip(" \t\r")
            if line and not line.startswith("#"):
                token = _token_of_line(line)
                _refuse_repetition(token, tokens)
                tokens[number] = token
        except ValueError as error:
            problems.append(f"line {number}: {error}")
    if problems:
        raise InvalidTokens(problems)
    return tuple(tokens.values())


def read_tokens(path: Path) -> tuple[Token, ...]:
    """Read a token file.

    Raises:
        InvalidTokens: The file cannot be read, users other than its owner can write to it, or
            lines are wrong.
    """
    return _read(path)[0]


class TokenFile:
    """The tokens of a file that may change while the service runs.

    The file is checked when a token is looked up, at most once in `LOOK_SECONDS`. If its new
    content is invalid, that is logged, and the tokens read before stay in force: an editing mistake
    must not lock every client out.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = monotonic) -> None:
        """Read the file.

        Args:
            path: The file.
            clock: Returns the time in seconds, from any starting point.

        Raises:
            InvalidTokens: It cannot be used.
        """
        self._path = path
        self._clock = clock
        self._looking = Lock()
        self._tokens, self._version = _read(path)
        self._looked = clock()
        self._tell_when_empty()

    def find(self, secret: str) -> Token | None:
        """Find the token with this text; None if the file has none.

        Every token is compared, so that the time does not reveal where a match is.
        """
        if not _TOKEN.fullmatch(secret):
            return None
        digest = _digest(secret)
        found = None
        for token in self._current():
            if hmac.compare_digest(token.digest, digest):
                found = token
        return found

    def named(self, name: str) -> Token | None:
        """Find the token with this name; None if the file has none."""
        return next((token for token in self._current() if token.name == name), None)

    def refresh(self) -> None:
        """Check the file, as a look-up would."""
        self._current()

    def reload(self) -> None:
        """Make the next look-up read the file, changed or not. Safe in signal handlers."""
        self._version = _UNSEEN
        self._looked = -math.inf

    def _current(self) -> tuple[Token, ...]:
        now = self._clock()
        # While another thread checks the file, use the tokens at hand.
        if now - self._looked >= LOOK_SECONDS and self._looking.acquire(blocking=False):
            try:
                self._looked = now
                self._look()
            finally:
                self._looking.release()
        return self._tokens

    def _look(self) -> None:
        """Read the file if it has changed since the last check."""
        version = _version_at(self._path)
        if version == self._version:
            return
        self._version = version
        try:
            self._tokens, self._version = _read(self._path)
        except InvalidTokens as error:
            _LOG.error(
                "the token file cannot be used; the tokens read before stay in force",
                extra={"file": str(self._path), "problems": error.problems},
            )
        else:
            _LOG.info("tokens read", extra={"file": str(self._path), "tokens": len(self._tokens)})
            self._tell_when_empty()

    def _tell_when_empty(self) -> None:
        if not self._tokens:
            _LOG.warning(
                "the token file has no token, so every client is refused",
                extra={"file": str(self._path)},
            )


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _token_of_line(line: str) -> Token:
    """Read one line. No error quotes it: it may hold a token by mistake."""
    if _TOKEN.search(line):
        raise ValueError(
            "holds a token instead of its hash; everyone who has read this file knows the token: "
            "replace it with a new one from orders token"
        )
    words = _BLANKS.split(line)
    if len(words) != _WORDS:
        raise ValueError(
            f"has {len(words)} words; it must have three, a name, its scopes and the hash: "
            "shop read,write sha256:..."
        )
    name, scopes, hashed = words
    if not _NAME.fullmatch(name):
        raise ValueError(_NAME_RULE)
    named = scopes.split(",")
    known = {scope.value: scope for scope in Scope}
    if len(set(named)) < len(named) or not known.keys() >= set(named):
        raise ValueError("the scopes must be read, write or read,write")
    parsed = _HASH.fullmatch(hashed)
    if parsed is None:
        raise ValueError("the hash must be sha256: and 64 lowercase hexadecimal digits")
    return Token(name, frozenset(known[each] for each in named), bytes.fromhex(parsed[1]))


def _refuse_repetition(token: Token, earlier: dict[int, Token]) -> None:
    for number, other in earlier.items():
        if other.name == token.name:
            raise ValueError(f"line {number} has the same name")
        if other.digest == token.digest:
            raise ValueError(f"line {number} has the same hash under another name")


def _version_at(path: Path) -> _Version:
    """Identify the version of the file; None if the file cannot be reached."""
    try:
        return _version_of(path.stat())
    except OSError:
        return None


def _version_of(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode)


def _read(path: Path) -> tuple[tuple[Token, ...], _Version]:
    """Read a file, and identify its version.

    Raises:
        InvalidTokens: It cannot be used.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InvalidTokens([f"{path}: is not a regular file"])
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read()
    except OSError as error:
        raise InvalidTokens([f"{path}: cannot be read: {error.strerror}"]) from None
    if status.st_mode & _WRITABLE_BY_OTHERS:
        raise InvalidTokens(
            [f"{path}: users other than its owner can write to it; run: chmod go-w {path}"]
        )
    try:
        return parse_tokens(content), _version_of(status)
    except InvalidTokens as error:
        raise InvalidTokens(f"{path}: {problem}" for problem in error.problems) from None
