"""Sessions of the page: a cookie that stands for a token, and needs nothing kept on the server.

The cookie holds the token, encrypted with a key that only its hash in the token file gives,
together with the time at which the session ends. So the cookie alone tells no token and cannot
be made to last longer, the file alone makes no cookie, and a session ends when its token is
revoked. Every process of the service, and every replica with the same file, understands it.
"""

import hmac
import re
import time
from collections.abc import Callable
from typing import Final

from attrs import frozen

from orders_http.messages import Request
from orders_service.tokens import Token, TokenFile, bits_of, secret_of

SESSION_SECONDS: Final = 12 * 60 * 60
"""How long a session lasts: a working day."""

COOKIE: Final = "orders_session"
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
        parsed = _VALUE.fullmatch(_cookie(request))
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

    def end(self, request: Request) -> tuple[str, str]:
        """End a session: give the header that removes its cookie."""
        return _set_cookie("; Max-Age=0", request)


def _sealed(bits: bytes, token: Token, ends: int) -> bytes:
    """Encrypt or decrypt the bits of a token: an exclusive or with a pad as long as they are.

    The pad depends on the hash, hence a key encrypts one text only, and on the session's end,
    which cannot be changed without spoiling the token.
    """
    pad = hmac.digest(token.digest, f"orders session until {ends}".encode(), "sha256")
    return bytes(bit ^ other for bit, other in zip(bits, pad, strict=True))


def _cookie(request: Request) -> str:
    """Give the value of the session's cookie; empty when there is none."""
    for pair in (request.header("Cookie") or "").split(";"):
        name, _, value = pair.strip().partition("=")
        if name == COOKIE:
            return value
    return ""


def _set_cookie(value: str, request: Request) -> tuple[str, str]:
    """Write the header. The browser itself says, in `Origin`, whether it came by plain HTTP.

    So no proxy has to be trusted for it; a browser that does not say gets the stricter cookie.
    """
    plain = (request.header("Origin") or "").lower().startswith("http:")
    flags = "Path=/; HttpOnly; SameSite=Strict" + ("" if plain else "; Secure")
    return "Set-Cookie", f"{COOKIE}={value}; {flags}"
