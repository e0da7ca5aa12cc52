"""Authentication of programs: a token in every request (RFC 6750).

The page has sessions instead, which are not valid here: so no other site can make a browser use the
API in a person's name.
"""

from typing import Final

from orders_http.api.http_messages import Request
from orders_http.api.problems import Problem, ProblemType
from orders_tokens import Scope, TokenFile

_REALM: Final = 'Bearer realm="orders"'
CHALLENGE: Final = ("WWW-Authenticate", _REALM)
"""The header that asks for a token (RFC 6750, section 3)."""


def require_token(request: Request, scope: Scope, tokens: TokenFile) -> None:
    """Refuse a request without a token that has a scope.

    Raises:
        Problem: 401 or 403.
    """
    # The name of a scheme is case-insensitive (RFC 9110, section 11.1).
    scheme, _, secret = (request.header("Authorization") or "").partition(" ")
    if scheme.lower() != "bearer":
        raise Problem(
            ProblemType.TOKEN_REQUIRED,
            "send a token, as in Authorization: Bearer orders_...",
            headers=(CHALLENGE,),
        )
    token = tokens.find(secret.strip(" "))
    if token is None:
        raise Problem(
            ProblemType.INVALID_TOKEN,
            "unknown or revoked token",
            headers=(("WWW-Authenticate", f'{_REALM}, error="invalid_token"'),),
        )
    if scope not in token.scopes:
        raise insufficient_scope(scope)


def insufficient_scope(scope: Scope) -> Problem:
    """Report that a token lacks the scope that a request needs."""
    challenge = f'{_REALM}, error="insufficient_scope", scope="{scope.value}"'
    return Problem(
        ProblemType.INSUFFICIENT_SCOPE,
        f"this request needs a token with the scope {scope.value}",
        headers=(("WWW-Authenticate", challenge),),
    )
