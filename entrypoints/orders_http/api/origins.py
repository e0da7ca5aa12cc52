"""Where a form came from: the guard against a site that sends one in a visitor's name."""

import re
from typing import Final

from orders_http.api.hosts import host_and_port
from orders_http.api.messages import Request
from orders_http.api.problems import Problem, ProblemType

# An origin as browsers write it (RFC 6454, section 6.2), but for `null`; a Referer goes on behind.
_ORIGIN: Final = re.compile(r"(?P<scheme>https?)://(?P<host>[^/?#@\\\s,]+)", re.IGNORECASE)
_REFERER: Final = re.compile(rf"{_ORIGIN.pattern}(?:[/?#].*)?", re.IGNORECASE | re.DOTALL)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def came_by_plain_http(request: Request) -> bool:
    """Tell whether the browser says that a form's page came by plain HTTP."""
    origin = request.header("Origin") or request.header("Referer") or ""
    return origin.lower().startswith("http:")


def refuse_foreign_form(request: Request) -> None:
    """Refuse a form that another site made a browser send.

    `Sec-Fetch-Site` decides where the browser sends it: no page can forge it, and no proxy spoils
    it. Browsers leave it out on plain HTTP; then `Origin`, or `Referer`, is held against `Host`.

    Raises:
        Problem: 403.
    """
    site = request.header("Sec-Fetch-Site")
    if site is None:
        _refuse_other_host(request)
    elif site.strip().lower() != "same-origin":
        raise _foreign(
            f"the browser says that it did not come from this page (Sec-Fetch-Site: {site}); "
            "open the page, and send the form from there"
        )


def _refuse_other_host(request: Request) -> None:
    host, origin = request.header("Host"), request.header("Origin")
    written = request.header("Referer") if origin is None else origin
    if written is None or host is None:
        raise _foreign(
            "the browser did not say where the form came from; let it send Origin or Referer, or "
            "use POST /orders, which is for programs"
        )
    parsed = (_REFERER if origin is None else _ORIGIN).fullmatch(written)
    if parsed is None:
        raise _foreign(
            f"the form came from {written}, which is no page of this service; open the page "
            "itself, with an address that begins with http:// or https://"
        )
    scheme = parsed["scheme"].lower()
    if scheme == "http" and _forwarded_scheme(request) == "https":
        raise _foreign(
            f"the form came from {scheme}://{parsed['host']}, and was sent on by https; open the "
            "page by https"
        )
    if not _are_one(scheme, parsed["host"], host):
        raise _foreign(
            f"the form came from {scheme}://{parsed['host']}, and this is {host}; a proxy between "
            "them must pass the Host header on"
        )


def _forwarded_scheme(request: Request) -> str:
    """Give the scheme of the client's request by a proxy's word, which here only refuses more."""
    return (request.header("X-Forwarded-Proto") or "").partition(",")[0].strip().lower()


def _are_one(scheme: str, origin: str, host: str) -> bool:
    """Tell whether an origin's host and a Host header mean one place."""
    name, port = host_and_port(origin)
    other_name, other_port = host_and_port(host)
    if name is None or name != other_name:
        return False
    # Many proxies pass the name on without the port, which then says nothing. Ports of one name
    # are no strangers: they share its cookies (RFC 6265, section 8.5).
    return other_port is None or other_port == (port or _DEFAULT_PORTS[scheme])


def _foreign(detail: str) -> Problem:
    return Problem(ProblemType.FOREIGN_ORIGIN, detail)
