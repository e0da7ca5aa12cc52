"""Clients' tokens, stored as hashes in a file that is read again when it changes."""

from orders_tokens.tokens import (
    LOOK_SECONDS,
    InvalidTokens,
    Scope,
    Token,
    TokenFile,
    bits_of,
    new_secret,
    parse_tokens,
    read_tokens,
    secret_of,
)

__all__ = [
    "LOOK_SECONDS",
    "InvalidTokens",
    "Scope",
    "Token",
    "TokenFile",
    "bits_of",
    "new_secret",
    "parse_tokens",
    "read_tokens",
    "secret_of",
]
