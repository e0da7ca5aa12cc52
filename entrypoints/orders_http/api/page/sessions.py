"""Sessions of the page: a cookie that stands for a token and needs no state on the server.

The cookie holds the token, encrypted with a key derived from its hash in the token file, and the
time at which the session ends. So the cookie alone does not reveal the token and cannot be made to
last longer, the file alone does not yield a cookie, and a session ends when its token is revoked.
Every process of the service, and every replica with the same file, can read it.
"""

import hmac
import re
import time
from collections.abc import Callable, Iterator
from typing import Final

from attrs import frozen

from orders_http.api.http_messages import Request
from orders_http.api.page.csrf import came_by_plain_http
from orders_tokens import Token, TokenFile, bits_of, secret_of

SESSION_SECONDS: Final = 12 * 60 * 60
"""Duration of a session: a working day."""

COOKIE: Final = "orders_session"
"""The cookie's name on plain HTTP; on TLS it gets a prefix."""

HOST_PREFIX: Final = "__Host-"
"""Browsers accept such a cookie only from this very host, over TLS and for the path `/`.

So no other host of the same domain can set a visitor's session.
"""

_SECURE_PREFIX: Final = "__Secure-"
"""The prefix of a service below a path: it guarantees TLS, but neither the host nor the path."""
_VALUE: Final = re.compile(r"(?P<name>.+)\.(?P<ends>[0-9]{1,12})\.(?P<encrypted>[0-9a-f]{64})")


@frozen
class Sessions:
    """Begins, recognises and ends sessions.

    Attributes:
        tokens: The tokens that sessions stand for.
        clock: Returns the time in seconds since 1970.
    """

    tokens: TokenFile
    clock: Callable[[], float] = time.time

    def token(self, request: Request) -> Token | None:
        """Return the token of a request's session, or None without a valid session."""
        tokens = (self._token_of(value) for value in _cookies(request))
        return next(filter(None, tokens), None)

    def _token_of(self, value: str) -> Token | None:
        parsed = _VALUE.fullmatch(value)
        if parsed is None or int(parsed["ends"]) <= self.clock():
            return None
        token = self.tokens.named(parsed["name"])
        if token is None:
            return None
        bits = _crypt(bytes.fromhex(parsed["encrypted"]), token, int(parsed["ends"]))
        return token if token.is_of(secret_of(bits)) else None

    def begin(self, token: Token, secret: str, request: Request) -> tuple[str, str]:
        """Begin a session: return the header that sets its cookie.

        Args:
            token: The token.
            secret: Its text.
            request: The log-in request.
        """
        ends = int(self.clock()) + SESSION_SECONDS
        encrypted = _crypt(bits_of(secret), token, ends)
        # Without Max-Age, so that the cookie also ends when the browser is closed.
        return _set_cookie(f"{token.name}.{ends}.{encrypted.hex()}", request)

    def end(self, request: Request) -> tuple[tuple[str, str], ...]:
        """End a session: return the headers that remove its cookie under both names."""
        prefixed, plain = _names(request)
        # Over plain HTTP, browsers ignore cookies with the prefixed name.
        names = (plain,) if came_by_plain_http(request) else (prefixed, plain)
        return tuple(_header(f"{name}=; Max-Age=0", request) for name in names)


def _crypt(bits: bytes, token: Token, ends: int) -> bytes:
    """Encrypt or decrypt the bits of a token by XOR with a one-time pad of the same length.

    The pad depends on the token's hash, so each key encrypts a single text, and on the session's
    end, so changing the end spoils the token.
    """
    pad = hmac.digest(token.digest, f"orders session until {ends}".encode(), "sha256")
    return bytes(bit ^ other for bit, other in zip(bits, pad, strict=True))


def _cookies(request: Request) -> Iterator[str]:
    """Yield the value of each possible session cookie, those with the prefixed name first."""
    pairs = [
        pair.strip().partition("=")[::2] for pair in (request.header("Cookie") or "").split(";")
    ]
    for wanted in _names(request):
        yield from (value for name, value in pairs if name == wanted)


def _names(request: Request) -> tuple[str, str]:
    """Return the two possible names of the cookie: prefixed, and plain."""
    prefix = _SECURE_PREFIX if request.root else HOST_PREFIX
    return f"{prefix}{COOKIE}", COOKIE


def _set_cookie(value: str, request: Request) -> tuple[str, str]:
    """Write the header. The browser's own `Origin` decides whether the cookie is for plain HTTP.

    So no proxy has to be trusted; a browser that sends no `Origin` gets the stricter cookie.
    """
    prefixed, plain = _names(request)
    return _header(f"{plain if came_by_plain_http(request) else prefixed}={value}", request)


def _header(cookie: str, request: Request) -> tuple[str, str]:
    secure = "" if came_by_plain_http(request) else "; Secure"
    path = request.root or "/"
    return "Set-Cookie", f"{cookie}; Path={path}; HttpOnly; SameSite=Strict{secure}"
