"""A client that calls the application in this process, through the standard library's validator.

The validator (`wsgiref.validate`) fails a test in which the application breaks PEP 3333.
"""

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes
from wsgiref.validate import validator

from attrs import frozen

from tests.http.response import Response, headers_once

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


@frozen
class WsgiClient:
    """A client of an application.

    Attributes:
        application: What answers.
        environ: What is added to every request's environment.
    """

    application: "WSGIApplication"
    environ: Mapping[str, object] = {}

    def request(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send a request.

        Args:
            method: Such as `GET`.
            target: The path and the query, percent-encoded.
            body: The body; its Content-Length is added.
            headers: Further headers.
        """
        path, _, query = target.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "localhost",
            # A fixed id, so that equal requests have equal answers.
            "HTTP_X_REQUEST_ID": "test",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        if body:
            environ["CONTENT_LENGTH"] = str(len(body))
        for name, value in (headers or {}).items():
            key = name.upper().replace("-", "_")
            environ[key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"] = value
        environ.update(self.environ)
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(
            status: str,
            headers: list[tuple[str, str]],
            _error: object = None,
            /,
        ) -> Any:  # noqa: ANN401 - PEP 3333's write(), which nobody calls
            started.append((status, headers))
            return lambda _content: None

        content = validator(self.application)(environ, start_response)
        try:
            whole = b"".join(content)
        finally:
            content.close()  # type: ignore[attr-defined]  # the validator's iterator has it
        ((status, answered),) = started
        return Response(int(status[:3]), headers_once(answered), whole)

    def get(self, target: str, **headers: str) -> Response:
        """Send GET; a header's `-` is written `_`."""
        return self.request("GET", target, headers=_named(headers))

    def post(
        self,
        body: bytes | str,
        content_type: str | None = "application/json",
        target: str = "/orders",
        **headers: str,
    ) -> Response:
        """Send POST, of JSON to `/orders` unless told otherwise."""
        content = body.encode() if isinstance(body, str) else body
        typed = {} if content_type is None else {"Content-Type": content_type}
        return self.request("POST", target, content, {**typed, **_named(headers)})


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
