"""Problem details (RFC 9457): every error that the HTTP interface answers, as one closed list."""

import json
from enum import Enum
from http import HTTPStatus
from typing import Any

from attrs import field, frozen

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 1


@frozen
class _Kind:
    """What is the same for every problem of one type."""

    status: HTTPStatus
    title: str


class ProblemType(Enum):
    """The types of problems. Each one's URI is stable; `docs/problems.md` explains them."""

    MALFORMED_REQUEST = _Kind(HTTPStatus.BAD_REQUEST, "The request is not well-formed HTTP")
    MALFORMED_BODY = _Kind(HTTPStatus.BAD_REQUEST, "The body cannot be read")
    INVALID_QUERY = _Kind(HTTPStatus.BAD_REQUEST, "The query cannot be understood")
    TOKEN_REQUIRED = _Kind(HTTPStatus.UNAUTHORIZED, "A token is needed")
    INVALID_TOKEN = _Kind(HTTPStatus.UNAUTHORIZED, "The token is not valid")
    INSUFFICIENT_SCOPE = _Kind(HTTPStatus.FORBIDDEN, "The token does not allow this")
    FOREIGN_ORIGIN = _Kind(HTTPStatus.FORBIDDEN, "The form was sent from another site")
    NOT_FOUND = _Kind(HTTPStatus.NOT_FOUND, "There is nothing at this path")
    ORDER_NOT_FOUND = _Kind(HTTPStatus.NOT_FOUND, "No order has this id")
    METHOD_NOT_ALLOWED = _Kind(
        HTTPStatus.METHOD_NOT_ALLOWED,
        "The method is not allowed at this path",
    )
    NOT_ACCEPTABLE = _Kind(HTTPStatus.NOT_ACCEPTABLE, "None of the accepted media types is offered")
    REQUEST_TIMEOUT = _Kind(HTTPStatus.REQUEST_TIMEOUT, "The request took too long to arrive")
    ORDER_CONFLICT = _Kind(HTTPStatus.CONFLICT, "The id is stored with another amount")
    BODY_TOO_LARGE = _Kind(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large")
    UNSUPPORTED_MEDIA_TYPE = _Kind(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "The body's media type is not supported",
    )
    MISDIRECTED_REQUEST = _Kind(
        HTTPStatus.MISDIRECTED_REQUEST,
        "The service does not answer for this host",
    )
    INVALID_ORDER = _Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "The order is not acceptable")
    HEADERS_TOO_LARGE = _Kind(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "The request line and headers are too large",
    )
    INTERNAL_ERROR = _Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "The service has a defect")
    STORE_UNAVAILABLE = _Kind(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The orders cannot be reached now; the same request may be sent again",
    )

    @property
    def uri(self) -> str:
        """The stable `type` member."""
        return f"urn:problem-type:orders:{self.name.lower().replace('_', '-')}"

    @property
    def status(self) -> HTTPStatus:
        """The status that goes with it."""
        return self.value.status

    @property
    def title(self) -> str:
        """The type in words, the same for every occurrence."""
        return self.value.title


@frozen
class Problem(Exception):
    """An error answer, raised where it is found and turned into a response in one place.

    Attributes:
        type: Which problem it is.
        detail: What was wrong with this request and what would be right.
        errors: One object for each wrong member or line, where there can be several.
        headers: Response headers that belong to this problem, such as `Allow`.
    """

    type: ProblemType
    detail: str
    errors: tuple[dict[str, Any], ...] = ()
    headers: tuple[tuple[str, str], ...] = field(default=())

    @classmethod
    def unavailable(cls) -> "Problem":
        """Say that the store is away, and nothing of why: that is for the service's own log."""
        return cls(
            ProblemType.STORE_UNAVAILABLE,
            "the orders cannot be reached now; send the same request again",
            headers=(("Retry-After", str(RETRY_AFTER_SECONDS)),),
        )

    @classmethod
    def defect(cls) -> "Problem":
        """Say that we did something wrong, and nothing of what."""
        return cls(ProblemType.INTERNAL_ERROR, ProblemType.INTERNAL_ERROR.title)

    def body(self) -> bytes:
        """Write the problem as JSON, with the detail also as the member `error`."""
        members: dict[str, Any] = {
            "type": self.type.uri,
            "title": self.type.title,
            "status": self.type.status.value,
            "detail": self.detail,
            "error": self.detail,
        }
        if self.errors:
            members["errors"] = self.errors
        return json.dumps(members, ensure_ascii=True).encode()
