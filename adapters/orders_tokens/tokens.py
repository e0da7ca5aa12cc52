"""Tokens: who may use the service, by a file of hashes that is read again when it changes.

A token is `orders_` and 256 random bits. The file has no token, only the SHA-256 of each. A slow
hash with a salt would add nothing: it protects secrets that can be guessed (NIST SP 800-63B,
section 5.1.2.2, asks for one below 112 bits).
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
"""How long the file is not looked at again."""

_PREFIX: Final = "orders_"  # so that scanners for leaked secrets know a token when they see one
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
    """The token file cannot be used. No problem quotes the file.

    Attributes:
        problems: Everything that is wrong, at least one.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        """Take every problem found, so that one answer can name them all."""
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class Scope(Enum):
    """What a token allows. Neither scope includes the other."""

    READ = "read"
    WRITE = "write"


@frozen
class Token:
    """A token, as the file has it.

    Attributes:
        name: What people call it.
        scopes: What it allows, at least one thing.
        digest: The SHA-256 of the token's text.
    """

    name: str
    scopes: frozenset[Scope]
    digest: bytes = field(repr=False)

    @classmethod
    def of_secret(cls, name: str, scopes: Iterable[Scope], secret: str) -> "Token":
        """Describe a token that was made.

        Raises:
            ValueError: The name is not one that a token may have.
        """
        if not _NAME.fullmatch(name):
            raise ValueError(_NAME_RULE)
        return cls(name, frozenset(scopes), _digest(secret))

    def line(self) -> str:
        """Write its line of the file, without the line's end."""
        return f"{self.name} {self.scope_list()} sha256:{self.digest.hex()}"

    def scope_list(self) -> str:
        """Write the scopes as the file has them: `read,write`."""
        return ",".join(scope.value for scope in Scope if scope in self.scopes)

    def is_of(self, secret: str) -> bool:
        """Tell whether it describes this token, in a time that tells nothing of it."""
        return hmac.compare_digest(self.digest, _digest(secret))


_NAME_RULE: Final = (
    "the name of a token is 1 to 64 letters of ASCII, digits, dots, hyphens and underscores, and "
    "begins with a letter or a digit"
)


def new_secret() -> str:
    """Make a token that nobody can guess."""
    return _PREFIX + secrets.token_hex(_RANDOM_BYTES)


def bits_of(secret: str) -> bytes:
    """Give the random bits of a token."""
    return bytes.fromhex(secret.removeprefix(_PREFIX))


def secret_of(bits: bytes) -> str:
    """Give the token that has these random bits."""
    return _PREFIX + bits.hex()


def parse_tokens(content: bytes) -> tuple[Token, ...]:
    """Read the content of a token file.

    Each line is a name, its scopes and the hash: `shop read,write sha256:...`. Empty lines, and
    lines that begin with `#`, mean nothing.

    Raises:
        InvalidTokens: With every line that is wrong, by its number, counted from 1.
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
        InvalidTokens: It cannot be read, others than its owner may write to it, or lines are
            wrong.
    """
    return _read(path)[0]


class TokenFile:
    """The tokens of a file that people change while the service runs.

    The file is looked at when a token is asked for, at most once in `LOOK_SECONDS`. A new
    content that cannot be used is logged, and what was read before stays in force: a slip of an
    editor must not lock everybody out.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = monotonic) -> None:
        """Read the file.

        Args:
            path: The file.
            clock: Gives the time in seconds, from any beginning.

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
        """Give the token whose text this is; None when the file has none such.

        Every token is compared, so that the time tells nothing of where a match stands.
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
        """Give the token with this name; None when there is none."""
        return next((token for token in self._current() if token.name == name), None)

    def refresh(self) -> None:
        """Look at the file, as a use would."""
        self._current()

    def reload(self) -> None:
        """Let the next use read the file, changed or not. Callable from signal handlers."""
        self._version = _UNSEEN
        self._looked = -math.inf

    def _current(self) -> tuple[Token, ...]:
        now = self._clock()
        # Who comes while another one looks goes on with the tokens that there are.
        if now - self._looked >= LOOK_SECONDS and self._looking.acquire(blocking=False):
            try:
                self._looked = now
                self._look()
            finally:
                self._looking.release()
        return self._tokens

    def _look(self) -> None:
        """Read the file when it is not the version that was seen last."""
        version = _version_at(self._path)
        if version == self._version:
            return
        self._version = version
        try:
            self._tokens, self._version = _read(self._path)
        except InvalidTokens as error:
            _LOG.error(
                "the token file cannot be used; the tokens that were read before stay in force",
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
    """Read one line. No error repeats what stands in it, which may be a token by mistake."""
    if _TOKEN.search(line):
        raise ValueError(
            "holds a token, where only its hash belongs; whoever read this file knows the token: "
            "make another with: orders token"
        )
    words = _BLANKS.split(line)
    if len(words) != _WORDS:
        raise ValueError(
            f"has {len(words)} words; it must be a name, its scopes and the hash, such as: "
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
        raise ValueError("the hash must be sha256: and 64 hexadecimal digits in small letters")
    return Token(name, frozenset(known[each] for each in named), bytes.fromhex(parsed[1]))


def _refuse_repetition(token: Token, earlier: dict[int, Token]) -> None:
    for number, other in earlier.items():
        if other.name == token.name:
            raise ValueError(f"the name stands on line {number} already")
        if other.digest == token.digest:
            raise ValueError(f"the hash stands on line {number} already, under another name")


def _version_at(path: Path) -> _Version:
    """Tell which version of the file is there; None when none can be seen."""
    try:
        return _version_of(path.stat())
    except OSError:
        return None


def _version_of(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode)


def _read(path: Path) -> tuple[tuple[Token, ...], _Version]:
    """Read a file, and tell which version it was.

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
            [f"{path}: others than its owner may write to it; run: chmod go-w {path}"]
        )
    try:
        return parse_tokens(content), _version_of(status)
    except InvalidTokens as error:
        raise InvalidTokens(f"{path}: {problem}" for problem in error.problems) from None
