"""Problem details (RFC 9457): the closed list of all errors of the HTTP interface."""

import json
from enum import Enum
from http import HTTPStatus
from typing import Any

from attrs import field, frozen

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 1


@frozen
class _Kind:
    """The status and title of a problem type."""

    status: HTTPStatus
    title: str


class ProblemType(Enum):
    """The problem types. Their URIs are stable; `docs/problems.md` explains them."""

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
        """The member `type`, which is stable."""
        return f"urn:problem-type:orders:{self.name.lower().replace('_', '-')}"

    @property
    def status(self) -> HTTPStatus:
        """The status code."""
        return self.value.status

    @property
    def title(self) -> str:
        """The member `title`: the type in words."""
        return self.value.title


@frozen
class Problem(Exception):
    """An error, raised where it is found and converted to a response in one place.

    Attributes:
        type: The type.
        detail: What is wrong with this request, and what would be right.
        errors: An object for each wrong member or line, if there can be several.
        headers: Response headers of this problem, such as `Allow`.
    """

    type: ProblemType
    detail: str
    errors: tuple[dict[str, Any], ...] = ()
    headers: tuple[tuple[str, str], ...] = field(default=())

    @classmethod
    def unavailable(cls) -> "Problem":
        """Report that the store is unavailable, but not why: the service's log has that."""
        return cls(
            ProblemType.STORE_UNAVAILABLE,
            "the orders cannot be reached now; send the same request again",
            headers=(("Retry-After", str(RETRY_AFTER_SECONDS)),),
        )

    @classmethod
    def defect(cls) -> "Problem":
        """Report a defect of the service, without details."""
        return cls(ProblemType.INTERNAL_ERROR, ProblemType.INTERNAL_ERROR.title)

    def body(self) -> bytes:
        """Write the problem as JSON, with the detail repeated as the member `error`."""
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
