"""A response as a test sees it, however it came: over a socket or from the application itself."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen


@frozen
class Response:
    """A response.

    Attributes:
        status: The status code.
        headers: By the names in small letters.
        body: The bytes of the body.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def closes(self) -> bool:
        """Whether no other response follows on this connection."""
        return self.headers.get("connection", "").lower() == "close"

    def json(self) -> Any:  # noqa: ANN401 - whatever JSON holds
        """Read the body as JSON."""
        return json.loads(self.body)

    def problem(self) -> str:
        """Return the last part of a problem's type, and assert that the problem is complete."""
        assert self.headers["content-type"] == "application/problem+json"
        members = self.json()
        assert members["status"] == self.status
        assert members["error"] == members["detail"] != ""
        prefix, _, name = members["type"].rpartition(":")
        assert prefix == "urn:problem-type:orders"
        return str(name)


def headers_once(fields: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return headers by their lower-case names, and assert that none is repeated."""
    pairs = list(fields)
    # The only header that may be repeated (RFC 9110, section 5.3); the first one is given.
    cookies = [pair for pair in pairs if pair[0].lower() == "set-cookie"]
    pairs = [pair for pair in pairs if pair not in cookies] + cookies[:1]
    headers = {name.lower(): value for name, value in pairs}
    assert len(headers) == len(pairs), f"a header is there twice: {pairs}"
    return headers
