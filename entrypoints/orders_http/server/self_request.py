"""Asks a server what its clients ask, from its own process: a server that answers works."""

import logging
import socket
from collections.abc import Callable
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Final

from attrs import frozen

_LOG: Final = logging.getLogger(__name__)

ASK_SECONDS: Final = 2.0
"""How long it waits between an answer and the next request."""

# As long as the parent waits before it replaces the process: in a crowd, a late answer is one too.
_ANSWER_SECONDS: Final = 15.0


@frozen
class SelfRequest:
    """A request for `/livez`, which needs nothing but the process: neither network nor database.

    Attributes:
        connect: Makes a connection to the server.
        answered: Called after each answer.
    """

    connect: Callable[[], socket.socket]
    answered: Callable[[], None]

    def ask(self) -> None:
        """Ask once, and tell when the answer is right. What else happens is logged."""
        with closing(HTTPConnection("localhost")) as client:
            try:
                client.sock = self.connect()
                client.sock.settimeout(_ANSWER_SECONDS)
                client.request("GET", "/livez", headers={"Connection": "close"})
                with client.getresponse() as response:
                    status = response.status
            except (OSError, HTTPException) as error:
                _LOG.warning("the self-check failed or timed out", exc_info=error)
                return
        if status == HTTPStatus.OK:
            self.answered()
        else:
            _LOG.warning("the self-check got a wrong answer", extra={"status": status})
