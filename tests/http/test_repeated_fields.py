"""Repeated header fields, as HTTP/2 proxies and unusual clients send them."""

from collections.abc import Iterator

import pytest
from attrs import frozen

from tests.http.wire import connected
from tests.service_process import RunningService, running_service
from tests.token_files import write_tokens


@frozen
class Guarded:
    """A service that requires a token, and a session of its page."""

    service: RunningService
    secret: str
    session: str

    def status(self, *fields: str, target: str = "/") -> int:
        """Ask with header fields; give the status."""
        with connected(self.service) as wire:
            lines = [f"GET {target} HTTP/1.1", "Host: localhost", "Connection: close", *fields]
            wire.send("\r\n".join([*lines, "", ""]).encode())
            return wire.receive().status


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Log in."""
    folder = tmp_path_factory.mktemp("repeated")
    secret = write_tokens(folder / "tokens", shop="read,write")["shop"]
    settings = {"ORDERS_TOKENS_FILE": str(folder / "tokens")}
    with running_service(f"sqlite:///{folder}/orders.db", settings) as service:
        body = f"token={secret}"
        with connected(service) as wire:
            wire.send(
                "POST /login HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n"
                "Content-Type: application/x-www-form-urlencoded\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            cookie = wire.receive().headers["set-cookie"].partition(";")[0]
        yield Guarded(service, secret, cookie)
        service.stop()


def test_the_session_is_found_in_one_cookie_field(guarded: Guarded) -> None:
    assert guarded.status(f"Cookie: {guarded.session}") == 200
    assert guarded.status() == 401


@pytest.mark.parametrize(
    "others",
    [
        ["Cookie: theme=dark"],
        ["cookie: theme=dark", "COOKIE:  lang=de; tz=1\t"],
        ["Cookie: a=1, b=2"],
        ["Cookie: orders_session=another"],
        ["Cookie: __Host-orders_session=another"],
        ["Cookie:", "Cookie: ;"],
    ],
)
def test_the_session_is_found_among_several_cookie_fields(
    guarded: Guarded, others: list[str]
) -> None:
    ours = f"Cookie: {guarded.session}"
    assert guarded.status(*others, ours) == 200
    assert guarded.status(ours, *others) == 200
    assert guarded.status(*others, ours, *others) == 200


@pytest.mark.parametrize(
    "fields",
    [
        ["Accept: text/csv", "Accept: application/json"],
        ['If-None-Match: W/"a"', 'If-None-Match: "b"'],
        ["X-Request-Id: a", "X-Request-Id: b"],
        ["Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"],
        ["X-Forwarded-For: 10.0.0.1", "X-Forwarded-For: 10.0.0.2"],
    ],
)
def test_other_repeated_fields_do_no_harm(guarded: Guarded, fields: list[str]) -> None:
    token = f"Authorization: Bearer {guarded.secret}"
    assert guarded.status(token, *fields, target="/orders") == 200


def test_two_tokens_are_refused(guarded: Guarded) -> None:
    token = f"Authorization: Bearer {guarded.secret}"
    assert guarded.status(token, token, target="/orders") == 401
