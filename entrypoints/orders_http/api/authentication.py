"""Who may use the interface for programs: a token in every request (RFC 6750).

The page has sessions instead, which count for nothing here: so no other site can make a browser
use the interface for programs in a person's name.
"""

from collections.abc import Callable
from typing import Final

from orders_http.api.exchange import Steps
from orders_http.api.messages import Reply, Request
from orders_http.api.problems import Problem, ProblemType
from orders_tokens import Scope, TokenFile

Handler = Callable[..., Reply | Steps]

_REALM: Final = 'Bearer realm="orders"'
CHALLENGE: Final = ("WWW-Authenticate", _REALM)
"""The header that asks for a token (RFC 6750, section 3)."""


def guarded(handler: Handler, scope: Scope, tokens: TokenFile | None) -> Handler:
    """Let only requests with a token through to a handler.

    Args:
        handler: What answers.
        scope: What the token must allow.
        tokens: The tokens; None lets every request through.
    """
    if tokens is None:
        return handler

    def guard(request: Request, **parameters: str) -> Reply | Steps:
        _check(request, scope, tokens)
        return handler(request, **parameters)

    return guard


def insufficient(scope: Scope) -> Problem:
    """Say that a token does not allow what was asked for."""
    return Problem(
        ProblemType.INSUFFICIENT_SCOPE,
        f"the token has not the scope {scope.value}, which this takes",
        headers=(
            (
                "WWW-Authenticate",
                f'{_REALM}, error="insufficient_scope", scope="{scope.value}"',
            ),
        ),
    )


def _check(request: Request, scope: Scope, tokens: TokenFile) -> None:
    """Refuse a request without a token that allows this.

    Raises:
        Problem: 401 or 403.
    """
    # The name of a scheme may be in any case (RFC 9110, section 11.1).
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
            "the token is none of this service, or was revoked",
            headers=(("WWW-Authenticate", f'{_REALM}, error="invalid_token"'),),
        )
    if scope not in token.scopes:
        raise insufficient(scope)
