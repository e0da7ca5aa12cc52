"""Writes the head of a response: the status line and the headers."""

from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from operator import itemgetter
from time import time
from typing import Final

from orders_http.api.http_messages import Reply

_by_name: Final = itemgetter(0)

CLOSED: Final = b"Connection: close\r\n\r\n"
"""The end of a head after which the connection is closed."""


def head_of(reply: Reply, version: str, end: bytes) -> bytes:
    """Write the status line and the headers of a response.

    Args:
        reply: The response.
        version: The version of HTTP: `1.0` or `1.1`.
        end: The header about the connection, and the empty line.
    """
    headers = [(_capitalized(name), value) for name, value in reply.header_list()]
    headers.append(("Date", _date(int(time()))))
    headers.sort(key=_by_name)
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    return f"HTTP/{version} {_status_line(reply.status)}\r\n{lines}".encode("latin-1") + end


@lru_cache
def _capitalized(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-"))


@lru_cache(1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


@lru_cache
def _status_line(status: HTTPStatus) -> str:
    return f"{status.value} {status.phrase}"
