"""The self-check: a process sends its own server a request, to prove that it answers."""

import logging
import socket
from collections.abc import Callable
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Final

from attrs import frozen

_LOG: Final = logging.getLogger(__name__)

SELF_CHECK_SECONDS: Final = 2.0
"""The time between an answer and the next request."""

# As long as the parent waits before it replaces the process: under load a late answer counts too.
_ANSWER_SECONDS: Final = 15.0


@frozen
class SelfCheck:
    """A request for `/livez`, which needs neither a network nor the database.

    Attributes:
        connect: Opens a connection to the server.
        answered: Called after each right answer.
    """

    connect: Callable[[], socket.socket]
    answered: Callable[[], None]

    def run(self) -> None:
        """Send one request; call `answered` if the answer is right, else log what went wrong."""
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
