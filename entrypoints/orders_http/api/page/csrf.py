"""Protection against cross-site request forgery: forms are accepted from the page itself alone."""

import re
from typing import Final

from orders_http.api.hosts import host_and_port
from orders_http.api.http_messages import Request
from orders_http.api.problems import Problem, ProblemType

# An origin as browsers write it (RFC 6454, section 6.2), except `null`; a Referer adds a path.
_ORIGIN: Final = re.compile(r"(?P<scheme>https?)://(?P<host>[^/?#@\\\s,]+)", re.IGNORECASE)
_REFERER: Final = re.compile(rf"{_ORIGIN.pattern}(?:[/?#].*)?", re.IGNORECASE | re.DOTALL)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def came_by_plain_http(request: Request) -> bool:
    """Tell whether the browser says that the form's page was loaded over plain HTTP."""
    origin = request.header("Origin") or request.header("Referer") or ""
    return origin.lower().startswith("http:")


def refuse_foreign_form(request: Request) -> None:
    """Refuse a form that another site made a browser send.

    `Sec-Fetch-Site` decides when the browser sends it: no page can forge it, and proxies do not
    change it. Browsers omit it on plain HTTP; then `Origin`, or `Referer`, must match `Host`.

    Raises:
        Problem: 403.
    """
    site = request.header("Sec-Fetch-Site")
    if site is None:
        _refuse_other_host(request)
    elif site.strip().lower() != "same-origin":
        raise _foreign(
            f"the browser says that the form was not sent from this page (Sec-Fetch-Site: {site}); "
            "open the page and send the form from there"
        )


def _refuse_other_host(request: Request) -> None:
    host, origin = request.header("Host"), request.header("Origin")
    source = request.header("Referer") if origin is None else origin
    if source is None or host is None:
        raise _foreign(
            "the browser did not say where the form came from; allow it to send Origin or Referer, "
            "or use POST /orders, which is for programs"
        )
    parsed = (_REFERER if origin is None else _ORIGIN).fullmatch(source)
    if parsed is None:
        raise _foreign(
            f"the form came from {source}, which is not a page of this service; open the page "
            "directly, at an address that begins with http:// or https://"
        )
    scheme = parsed["scheme"].lower()
    if scheme == "http" and _forwarded_scheme(request) == "https":
        raise _foreign(
            f"the form came from {scheme}://{parsed['host']}, but a proxy forwarded it over https; "
            "open the page over https"
        )
    if not _same_host(scheme, parsed["host"], host):
        raise _foreign(
            f"the form came from {scheme}://{parsed['host']}, but this service was addressed as "
            f"{host}; a proxy in between must pass the Host header on"
        )


def _forwarded_scheme(request: Request) -> str:
    """Return the client's scheme as a proxy reports it; it is only used to refuse more."""
    return (request.header("X-Forwarded-Proto") or "").partition(",")[0].strip().lower()


def _same_host(scheme: str, origin: str, host: str) -> bool:
    """Tell whether the host of an origin and a Host header name the same host and port."""
    name, port = host_and_port(origin)
    other_name, other_port = host_and_port(host)
    if name is None or name != other_name:
        return False
    # Many proxies pass the name on without the port, so a missing port matches any. All ports of
    # a host share its cookies anyway (RFC 6265, section 8.5).
    return other_port is None or other_port == (port or _DEFAULT_PORTS[scheme])


def _foreign(detail: str) -> Problem:
    return Problem(ProblemType.FOREIGN_ORIGIN, detail)
