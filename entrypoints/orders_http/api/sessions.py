"""Sessions of the page: a cookie that stands for a token, and needs nothing kept on the server.

The cookie holds the token, encrypted with a key that only its hash in the token file gives,
together with the time at which the session ends. So the cookie alone tells no token and cannot
be made to last longer, the file alone makes no cookie, and a session ends when its token is
revoked. Every process of the service, and every replica with the same file, understands it.
"""

import hmac
import re
import time
from collections.abc import Callable, Iterator
from typing import Final

from attrs import frozen

from orders_http.api.messages import Request
from orders_http.api.origins import came_by_plain_http
from orders_tokens import Token, TokenFile, bits_of, secret_of

SESSION_SECONDS: Final = 12 * 60 * 60
"""How long a session lasts: a working day."""

COOKIE: Final = "orders_session"
"""The cookie's name on plain HTTP, and behind a prefix on TLS."""

HOST_PREFIX: Final = "__Host-"
"""Browsers take such a cookie from this very host alone, by TLS and for the path `/`.

So no neighbour, such as another name of the same domain, can give a visitor a session.
"""

_SECURE_PREFIX: Final = "__Secure-"
"""The same for a service below a path of its own, without the host and the path."""
_VALUE: Final = re.compile(r"(?P<name>.+)\.(?P<ends>[0-9]{1,12})\.(?P<sealed>[0-9a-f]{64})")


@frozen
class Sessions:
    """Begins sessions, recognises them and ends them.

    Attributes:
        tokens: The tokens that sessions stand for.
        clock: Gives the time in seconds since 1970.
    """

    tokens: TokenFile
    clock: Callable[[], float] = time.time

    def token(self, request: Request) -> Token | None:
        """Give the token of the session that a request belongs to; None when it has none."""
        tokens = (self._token_of(value) for value in _cookies(request))
        return next(filter(None, tokens), None)

    def _token_of(self, value: str) -> Token | None:
        parsed = _VALUE.fullmatch(value)
        if parsed is None or int(parsed["ends"]) <= self.clock():
            return None
        token = self.tokens.named(parsed["name"])
        if token is None:
            return None
        bits = _sealed(bytes.fromhex(parsed["sealed"]), token, int(parsed["ends"]))
        return token if token.is_of(secret_of(bits)) else None

    def begin(self, token: Token, secret: str, request: Request) -> tuple[str, str]:
        """Begin a session: give the header that sets its cookie.

        Args:
            token: The token.
            secret: Its text.
            request: The form that was sent to log in.
        """
        ends = int(self.clock()) + SESSION_SECONDS
        sealed = _sealed(bits_of(secret), token, ends)
        # Without Max-Age: the cookie also goes when the browser is closed.
        return _set_cookie(f"{token.name}.{ends}.{sealed.hex()}", request)

    def end(self, request: Request) -> tuple[tuple[str, str], ...]:
        """End a session: give the headers that remove its cookie, by whichever name it goes."""
        guarded, plain = _names(request)
        # By plain HTTP browsers take nothing of the guarded name.
        names = (plain,) if came_by_plain_http(request) else (guarded, plain)
        return tuple(_header(f"{name}=; Max-Age=0", request) for name in names)


def _sealed(bits: bytes, token: Token, ends: int) -> bytes:
    """Encrypt or decrypt the bits of a token: an exclusive or with a pad as long as they are.

    The pad depends on the hash, hence a key encrypts one text only, and on the session's end,
    which cannot be changed without spoiling the token.
    """
    pad = hmac.digest(token.digest, f"orders session until {ends}".encode(), "sha256")
    return bytes(bit ^ other for bit, other in zip(bits, pad, strict=True))


def _cookies(request: Request) -> Iterator[str]:
    """Give the value of each cookie that may be the session's, the guarded ones first."""
    pairs = [
        pair.strip().partition("=")[::2] for pair in (request.header("Cookie") or "").split(";")
    ]
    for wanted in _names(request):
        yield from (value for name, value in pairs if name == wanted)


def _names(request: Request) -> tuple[str, str]:
    """Give the names that the cookie may have, the guarded one first."""
    prefix = _SECURE_PREFIX if request.root else HOST_PREFIX
    return f"{prefix}{COOKIE}", COOKIE


def _set_cookie(value: str, request: Request) -> tuple[str, str]:
    """Write the header. The browser itself says, in `Origin`, whether it came by plain HTTP.

    So no proxy has to be trusted for it; a browser that does not say gets the stricter cookie.
    """
    guarded, plain = _names(request)
    return _header(f"{plain if came_by_plain_http(request) else guarded}={value}", request)


def _header(cookie: str, request: Request) -> tuple[str, str]:
    secure = "" if came_by_plain_http(request) else "; Secure"
    path = request.root or "/"
    return "Set-Cookie", f"{cookie}; Path={path}; HttpOnly; SameSite=Strict{secure}"
