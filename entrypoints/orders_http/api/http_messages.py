"""HTTP messages: a request, read strictly, and a reply."""

import re
from collections.abc import Collection, Mapping
from hashlib import blake2b
from http import HTTPStatus
from typing import Any, BinaryIO, Final
from urllib.parse import parse_qsl, quote, unquote_plus

from attrs import frozen

from orders_http.api.problems import CONTENT_TYPE as PROBLEM_TYPE
from orders_http.api.problems import Problem, ProblemType

KIB: Final = 1024
_MAX_PARAMETERS: Final = 16
_NO_SNIFFING: Final = ("X-Content-Type-Options", "nosniff")
# More digits than anyone needs; int() raises an error for 4,301.
_LENGTH: Final = re.compile(r"[0-9]{0,18}")
# The registered name and a common variant; either may be quoted.
_UTF_8: Final = re.compile(r'(?P<quote>"?)utf-?8(?P=quote)', re.IGNORECASE)
_ENTITY_TAG: Final = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


@frozen
class Reply:
    """A complete response.

    Attributes:
        status: The status.
        body: The body.
        content_type: Its media type with parameters; None without a body.
        headers: Further headers.
    """

    status: HTTPStatus
    body: bytes = b""
    content_type: str | None = None
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of_problem(cls, problem: Problem) -> "Reply":
        """Answer with problem details."""
        # Without it, caches may store a 404 (RFC 9110, section 15.1).
        headers = (*problem.headers, ("Cache-Control", "no-store"))
        return cls(problem.type.status, problem.body(), PROBLEM_TYPE, headers)

    def with_header(self, name: str, value: str) -> "Reply":
        """Add a header."""
        headers = (*self.headers, (name, value))
        return Reply(self.status, self.body, self.content_type, headers)

    def header_list(self) -> list[tuple[str, str]]:
        """Return all headers, including those of the body."""
        if self.content_type is None:
            return [*self.headers, _NO_SNIFFING]
        described = ("Content-Type", self.content_type), ("Content-Length", str(len(self.body)))
        return [*described, *self.headers, _NO_SNIFFING]


@frozen
class Request:
    """A request, read from a WSGI environment (PEP 3333).

    Attributes:
        environ: The environment from the server.
    """

    environ: Mapping[str, Any]

    @property
    def method(self) -> str:
        """The method, such as `GET`."""
        return str(self.environ["REQUEST_METHOD"])

    @property
    def root(self) -> str:
        """The path under which the application is mounted, percent-encoded; empty at the root."""
        return quote(str(self.environ.get("SCRIPT_NAME", "")).encode("latin-1"))

    def header(self, name: str) -> str | None:
        """Return a header by its name, such as `Accept`, or None if it is absent."""
        value = self.environ.get("HTTP_" + name.upper().replace("-", "_"))
        return None if value is None else str(value)

    def media_type(self) -> str:
        """Return the body's media type in lower case; empty without a Content-Type.

        Raises:
            Problem: 415 for a charset other than UTF-8.
        """
        media_type, *parameters = str(self.environ.get("CONTENT_TYPE") or "").split(";")
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "charset" and not _UTF_8.fullmatch(value.strip()):
                raise Problem(
                    ProblemType.UNSUPPORTED_MEDIA_TYPE,
                    f"the charset is {value.strip()}; only utf-8 is supported",
                )
        return media_type.strip().lower()

    def body(self, limit: int) -> bytes:
        """Read the whole body.

        Args:
            limit: The maximum length in bytes.

        Raises:
            Problem: 413 if it is longer, 400 if it ends before its Content-Length, 415 if it is
                compressed.
        """
        self._refuse_content_coding()
        announced = str(self.environ.get("CONTENT_LENGTH") or "")
        if not announced and not self.environ.get("wsgi.input_terminated"):
            return b""
        if not _LENGTH.fullmatch(announced):
            raise Problem(ProblemType.MALFORMED_REQUEST, "Content-Length is not a number of bytes")
        # Without a Content-Length the server marks the end: one more byte shows an excess.
        length = int(announced or limit + 1)
        if announced and length > limit:
            raise _too_large(limit)
        source: BinaryIO = self.environ["wsgi.input"]
        content = source.read(length)
        if len(content) > limit:
            raise _too_large(limit)
        if announced and len(content) < length:
            raise Problem(
                ProblemType.MALFORMED_BODY,
                f"the body ended after {len(content)} of {length} bytes",
            )
        return content

    def _refuse_content_coding(self) -> None:
        """Refuse a compressed body (RFC 9110, section 8.4)."""
        codings = (self.header("Content-Encoding") or "").lower().split(",")
        if any(each.strip() not in {"", "identity"} for each in codings):
            raise Problem(
                ProblemType.UNSUPPORTED_MEDIA_TYPE,
                f"the body has the Content-Encoding {', '.join(map(str.strip, codings))}; send it "
                "without an encoding",
                headers=(("Accept-Encoding", "identity"),),
            )

    def query(self, known: Collection[str]) -> dict[str, str]:
        """Read the query, each parameter at most once.

        Args:
            known: The allowed names.

        Raises:
            Problem: 400 if it is not UTF-8, or a parameter is unknown or repeated.
        """
        raw = str(self.environ.get("QUERY_STRING", "")).encode("latin-1")
        if not raw:
            return {}
        return read_form(raw, known, ProblemType.INVALID_QUERY)

    def query_of(self, known: Collection[str]) -> dict[str, str]:
        """Read some parameters of the query, each at most once, and ignore all others.

        For the page: other sites add their own parameters to links, such as `utm_source`.

        Args:
            known: The names to read.

        Raises:
            Problem: 400 if one of them is not UTF-8 or repeated.
        """
        pairs = str(self.environ.get("QUERY_STRING", "")).encode("latin-1").split(b"&")
        ours = [pair for pair in pairs if _name_of(pair) in known]
        return read_form(b"&".join(ours), known, ProblemType.INVALID_QUERY)

    def answered_conditionally(self, reply: Reply) -> Reply:
        """Add an entity tag to a reply to GET or HEAD; answer 304 if the client has it already.

        Uses weak comparison (RFC 9110, sections 8.8.3.2 and 13.1.2).
        """
        tagged = with_entity_tag(reply)
        known = self.header("If-None-Match")
        if known is None:
            return tagged
        tags = {("ETag", tag) for tag in _ENTITY_TAG.findall(known)}
        if known.strip() == "*" or not tags.isdisjoint(tagged.headers):
            return Reply(HTTPStatus.NOT_MODIFIED, headers=tagged.headers)
        return tagged


def _name_of(pair: bytes) -> str:
    """Decode a parameter's name; bytes that are not UTF-8 become replacement characters."""
    return unquote_plus(pair.partition(b"=")[0].decode("latin-1"))


def with_entity_tag(reply: Reply) -> Reply:
    """Add a strong entity tag, derived from the body."""
    tag = f'"{blake2b(reply.body, digest_size=16).hexdigest()}"'
    return Reply(reply.status, reply.body, reply.content_type, (*reply.headers, ("ETag", tag)))


def read_form(
    content: bytes,
    known: Collection[str],
    wrong: ProblemType,
) -> dict[str, str]:
    """Read `application/x-www-form-urlencoded` content, each name at most once.

    Args:
        content: The bytes, percent-encoded UTF-8.
        known: The allowed names.
        wrong: The type of the problem to raise.

    Raises:
        Problem: The content is not UTF-8, or a name is unknown or repeated.
    """
    try:
        pairs = parse_qsl(
            content.decode(),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MAX_PARAMETERS,
        )
    except UnicodeDecodeError:
        raise Problem(wrong, "a parameter is not UTF-8") from None
    except ValueError:
        raise Problem(wrong, f"there are more than {_MAX_PARAMETERS} parameters") from None
    values = dict(pairs)
    for name in values:
        if name not in known:
            expected = " and ".join(sorted(known)) or "none"
            raise Problem(wrong, f"the parameter {name!r} is unknown; known: {expected}")
    if len(values) < len(pairs):
        raise Problem(wrong, "a parameter is repeated")
    return values


def _too_large(limit: int) -> Problem:
    return Problem(ProblemType.BODY_TOO_LARGE, f"the body is longer than {limit // KIB} KiB")
