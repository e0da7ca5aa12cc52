"""Tokens of the API: which requests are accepted, and what the others get."""

import json
import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from orders_cli.exits import Exit
from orders_http.api.application import HttpSettings, create_app
from orders_http.api.hosts import HostRule
from orders_http.api.page.sessions import COOKIE
from orders_http.api.routes import ENDPOINTS, Endpoint
from orders_http.server.gathering import GatheringServer
from orders_http.server.listening_sockets import listen
from orders_memory import MemoryStore
from orders_tokens import Scope, Token, TokenFile, new_secret
from tests.http.response import Response
from tests.http.wire import connected, connected_to
from tests.http.wsgi_client import WsgiClient
from tests.postgres_server import wait_until
from tests.service_process import RunningService, running_service, served
from tests.token_files import overwrite_unseen, put, watched, write_tokens

SECRET = f"orders_{'5eed' * 16}"
ORDER = b'{"id":"A-1","amount":1}'
JSON = {"Content-Type": "application/json"}
HTML = "text/html; charset=utf-8"


@frozen
class Locked:
    """An application that requires tokens, and its tokens."""

    client: WsgiClient
    tokens: TokenFile
    both: str
    reader: str
    writer: str

    def ask(
        self, method: str, target: str, authorization: str | None, body: bytes = b""
    ) -> Response:
        """Send a request."""
        headers = {} if authorization is None else {"Authorization": authorization}
        return self.client.request(method, target, body, {**headers, **(JSON if body else {})})


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Locked:
    """An application over a store in memory, with three tokens."""
    path = tmp_path_factory.mktemp("tokens") / "tokens"
    secrets = write_tokens(path, both="read,write", reader="read", writer="write")
    tokens = watched(path)
    store = MemoryStore()
    client = WsgiClient(create_app(store, HttpSettings("USD", HostRule(), tokens)))
    return Locked(client, tokens, **secrets)


READING = [
    *(("GET", "/orders"), ("HEAD", "/orders"), ("GET", "/orders?id=A-1"), ("GET", "/orders/A-1")),
    *(("HEAD", "/orders/A-1"), ("GET", "/orders/A%2FB"), ("GET", "/orders?limit=x")),
]


@pytest.mark.parametrize(("method", "target"), READING)
def test_reading_needs_a_token_with_the_scope_read(
    locked: Locked,
    method: str,
    target: str,
) -> None:
    for secret in (locked.both, locked.reader):
        assert locked.ask(method, target, f"Bearer {secret}").status in {200, 400, 404}
    refused = locked.ask(method, target, f"Bearer {locked.writer}")
    assert refused.status == 403
    assert refused.headers["www-authenticate"] == (
        'Bearer realm="orders", error="insufficient_scope", scope="read"'
    )
    assert method == "HEAD" or refused.problem() == "insufficient-scope"


def test_storing_needs_a_token_with_the_scope_write(locked: Locked) -> None:
    for secret in (locked.both, locked.writer):
        assert locked.ask("POST", "/orders", f"Bearer {secret}", ORDER).status in {200, 201}
    refused = locked.ask("POST", "/orders", f"Bearer {locked.reader}", ORDER)
    assert (refused.status, refused.problem()) == (403, "insufficient-scope")
    assert refused.headers["www-authenticate"].endswith('scope="write"')


@pytest.mark.parametrize("authorization", [None, "", "Basic b3JkZXJz", "Digest x", "bearertoken"])
def test_a_request_without_a_token_is_asked_for_one(
    locked: Locked, authorization: str | None
) -> None:
    for method, target, body in (("GET", "/orders", b""), ("POST", "/orders", ORDER)):
        answer = locked.ask(method, target, authorization, body)
        assert (answer.status, answer.problem()) == (401, "token-required")
        assert answer.headers["www-authenticate"] == 'Bearer realm="orders"'


@pytest.mark.parametrize(
    "authorization",
    ["Bearer", "Bearer ", "Bearer x", "bearer  orders_", "Bearer a b", f"Bearer orders_{'0' * 64}"],
)
def test_a_wrong_token_is_reported(locked: Locked, authorization: str) -> None:
    answer = locked.ask("GET", "/orders", authorization)
    assert (answer.status, answer.problem()) == (401, "invalid-token")
    assert answer.headers["www-authenticate"] == 'Bearer realm="orders", error="invalid_token"'


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer "])
def test_the_scheme_is_case_insensitive_and_may_be_followed_by_several_blanks(
    locked: Locked, scheme: str
) -> None:
    assert locked.ask("GET", "/orders", f"{scheme} {locked.reader}").status == 200


@given(st.text(st.characters(codec="latin-1", exclude_categories=["Cc"])))
def test_no_other_header_grants_access(locked: Locked, authorization: str) -> None:
    assert locked.ask("GET", "/orders", authorization).status == 401
    assert locked.ask("GET", "/orders", f"Bearer {authorization}").status == 401


def test_a_token_in_the_query_is_ignored(locked: Locked) -> None:
    answer = locked.ask("GET", f"/orders?access_token={locked.reader}", None)
    assert (answer.status, answer.problem()) == (401, "token-required")


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: f"{each.method} {each.path}")
def test_every_endpoint_is_open_or_needs_a_session_or_a_token(
    locked: Locked,
    endpoint: Endpoint,
) -> None:
    target = endpoint.path.replace("<id>", "A-1")
    form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "http://localhost"}
    headers = {} if endpoint.method == "GET" else form
    answer = locked.client.request(endpoint.method, target, b"", headers)
    if isinstance(endpoint.access, Scope):
        assert (answer.status, answer.problem()) == (401, "token-required")
    elif endpoint.access == "session":
        assert (answer.status, answer.headers["content-type"]) == (401, HTML)
    elif target == "/login" and endpoint.method == "POST":
        assert b"token-mistake" in answer.body
    else:
        assert answer.status in {200, 303}


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/health", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/favicon.svg", 200),
        ("GET", "/login", 200),
        ("OPTIONS", "/orders", 204),
        ("OPTIONS", "/orders/A-1", 204),
        ("OPTIONS", "/", 204),
        ("GET", "/nothing", 404),
        ("DELETE", "/orders", 405),
    ],
)
def test_endpoints_without_orders_are_open(
    locked: Locked,
    method: str,
    target: str,
    status: int,
) -> None:
    assert locked.ask(method, target, None).status == status


def test_the_host_is_checked_before_the_token(locked: Locked) -> None:
    answer = locked.client.get("/orders", Host="elsewhere.example")
    assert answer.problem() == "misdirected-request"


def test_the_token_is_checked_before_the_body(locked: Locked) -> None:
    for body, content_type in ((b"{", "application/json"), (b" " * 2_000_000, "text/plain")):
        headers = {"Content-Type": content_type}
        assert locked.client.request("POST", "/orders", body, headers).problem() == "token-required"


def test_a_session_of_the_page_is_not_valid_for_the_api(locked: Locked) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "http://localhost"}
    entered = locked.client.request("POST", "/login", f"token={locked.both}".encode(), form)
    cookie = entered.headers["set-cookie"].partition(";")[0]
    assert cookie.startswith(f"{COOKIE}=both.")
    assert locked.client.get("/", Cookie=cookie).status == 200
    assert locked.client.get("/orders", Cookie=cookie).problem() == "token-required"
    posted = locked.client.post(ORDER, Cookie=cookie, Origin="http://localhost")
    assert posted.problem() == "token-required"
    value = cookie.partition("=")[2]
    assert locked.ask("GET", "/orders", f"Bearer {value}").problem() == "invalid-token"


def test_without_a_token_file_tokens_are_ignored(client: WsgiClient) -> None:
    for authorization in ("Bearer x", f"Bearer {new_secret()}", "Basic x"):
        assert client.get("/orders", Authorization=authorization).status == 200
    assert client.get("/login").problem() == "not-found"
    for path in ("/login", "/logout"):
        form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "http://localhost"}
        assert client.request("POST", path, b"token=x", form).problem() == "not-found"


# Over the wire.


@frozen
class Guarded:
    """A service that requires tokens."""

    service: RunningService
    file: Path
    shop: str

    def status(self, secret: str | None, connection: HTTPConnection) -> int:
        """List orders and give the status of the answer."""
        headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}
        connection.request("GET", "/orders?limit=1", headers=headers)
        response = connection.getresponse()
        response.read()
        return response.status


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    """A service on SQLite, with one token that may read and write."""
    file = tmp_path / "tokens"
    shop = write_tokens(file, shop="read,write")["shop"]
    settings = {"ORDERS_TOKENS_FILE": str(file)}
    with running_service(f"sqlite:///{tmp_path}/orders.db", settings) as service:
        yield Guarded(service, file, shop)


def raw(method: str, target: str, *lines: str) -> bytes:
    """Write a request."""
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


def test_each_request_of_a_connection_needs_a_token(guarded: Guarded) -> None:
    with connected(guarded.service) as wire:
        for _ in range(3):
            wire.send(raw("GET", "/orders", f"Authorization: Bearer {guarded.shop}"))
            assert wire.receive().status == 200
            wire.send(raw("GET", "/orders"))
            assert wire.receive().status == 401


def test_two_authorization_headers_are_refused(guarded: Guarded) -> None:
    good, bad = f"Authorization: Bearer {guarded.shop}", "Authorization: Bearer x"
    with connected(guarded.service) as wire:
        for lines in ((good, bad), (bad, good), (good, good)):
            wire.send(raw("GET", "/orders", *lines))
            assert wire.receive().status == 401


def test_a_refused_body_is_not_taken_for_the_next_request(guarded: Guarded) -> None:
    smuggled = raw("GET", "/orders", f"Authorization: Bearer {guarded.shop}")
    head = raw("POST", "/orders", f"Content-Length: {len(smuggled)}")
    with connected(guarded.service) as wire:
        wire.send(head + smuggled + raw("GET", "/health"))
        assert [wire.receive().status for _ in range(2)] == [401, 200]


def test_tokens_change_under_load_without_failing_requests_with_other_tokens(
    guarded: Guarded,
) -> None:
    line = guarded.file.read_text()
    stopped = threading.Event()
    statuses: set[int] = set()

    def use() -> None:
        connection = guarded.service.connect()
        while not stopped.is_set():
            statuses.add(guarded.status(guarded.shop, connection))
        connection.close()

    users = [threading.Thread(target=use) for _ in range(4)]
    for user in users:
        user.start()
    connection = guarded.service.connect()
    try:
        for _ in range(2):
            # Written to another file first: the service may read its file at any time.
            spare = guarded.file.with_name("spare")
            added = write_tokens(spare, other="read")["other"]
            put(guarded.file, line + spare.read_text())
            wait_until(lambda: guarded.status(added, connection) == 200)  # noqa: B023 - used at once
            put(guarded.file, "broken")
            wait_until(lambda: "cannot be used" in guarded.service.errors())
            assert guarded.status(added, connection) == 200
            put(guarded.file, line)
            wait_until(lambda: guarded.status(added, connection) == 401)  # noqa: B023 - used at once
    finally:
        stopped.set()
        for user in users:
            user.join()
        connection.close()
    assert statuses == {200}


def test_a_token_is_never_revealed_wherever_it_was_sent(guarded: Guarded) -> None:
    wrong = new_secret()
    told: list[bytes] = []
    with connected(guarded.service) as wire:
        for secret in (guarded.shop, wrong):
            form = f"token={secret}"
            length = "Content-Length: {}".format
            typed = "Content-Type: application/x-www-form-urlencoded"
            origin = "Origin: http://localhost"
            for request in (
                raw("GET", "/orders", f"Authorization: Bearer {secret}"),
                raw("GET", "/orders", f"Authorization: Bearer  {secret} {secret}"),
                raw("GET", "/orders", f"Authorization: {secret}"),
                raw("GET", "/nothing", f"Authorization: Bearer {secret}"),
                raw("PUT", "/orders", f"Authorization: Bearer {secret}"),
                raw("GET", "/", f"Cookie: {COOKIE}={secret}", f"X-Token: {secret}"),
                raw("POST", "/orders", f"Authorization: Bearer {secret}", length(0)),
                raw("POST", "/login", length(len(form)), typed, origin) + form.encode(),
                raw("POST", "/login", length(len(form)), origin) + form.encode(),
                raw("POST", "/login", length(len(form)), typed) + form.encode(),
                raw("POST", "/login", length(len(secret)), typed, origin) + secret.encode(),
                raw("POST", "/login", length(len(form) - 7), typed, origin) + form[7:].encode(),
            ):
                wire.send(request)
                answer = wire.receive()
                told.append(json.dumps(dict(answer.headers)).encode() + answer.body)
    put(guarded.file, f"shop read {guarded.shop}\n{wrong} read sha256:{'0' * 64}\n")
    connection = guarded.service.connect()
    wait_until(
        lambda: (
            guarded.status(wrong, connection) == 401
            and "cannot be used" in guarded.service.errors()
        )
    )
    connection.close()
    operations = guarded.service.connect_operations()
    for path in ("/metrics", "/readyz"):
        operations.request("GET", path)
        told.append(operations.getresponse().read())
    operations.close()
    for pid in (guarded.service.pid, *guarded.service.children.values()):
        process = Path("/proc") / str(pid)
        told.extend((process / name).read_bytes() for name in ("cmdline", "environ"))
    told.append(guarded.service.errors().encode())
    assert all(len(each) > 0 for each in told)
    everything = b"\n".join(told).decode()
    for secret in (guarded.shop, wrong):
        assert secret.removeprefix("orders_")[:16] not in everything


def test_sighup_reloads_a_file_whose_change_is_undetectable(guarded: Guarded) -> None:
    changed = Token.of_secret("shop", Scope, SECRET)
    overwrite_unseen(guarded.file, f"{changed.line()}\n".encode())
    with closing(guarded.service.connect()) as connection:
        assert guarded.status(SECRET, connection) == 401
        guarded.service.send_signal(signal.SIGHUP)
        wait_until(lambda: guarded.status(SECRET, connection) == 200)


def test_a_replaced_worker_does_not_accept_a_revoked_token_again(guarded: Guarded) -> None:
    old = guarded.file.read_text()
    kept = write_tokens(guarded.file, kept="read")["kept"]
    with closing(guarded.service.connect()) as connection:
        wait_until(lambda: guarded.status(kept, connection) == 200)
        assert guarded.status(guarded.shop, connection) == 401
    # The parent has seen the change by now, too.
    wait_until(lambda: guarded.service.errors().count('"tokens read"') == 2)
    put(guarded.file, f"{old}broken\n")
    wait_until(lambda: "cannot be used" in guarded.service.errors())
    guarded.service.kill_child("worker-0")
    with closing(guarded.service.connect()) as connection:
        assert guarded.status(kept, connection) == 200
        assert guarded.status(guarded.shop, connection) == 401


def test_an_inherited_socket_that_others_can_reach_is_refused(tmp_path: Path) -> None:
    (listener,) = listen("0.0.0.0", 0)  # noqa: S104 - what must not be served
    with listener:
        service = RunningService(f"sqlite:///{tmp_path}/orders.db", listener=listener)
        with pytest.raises(AssertionError, match=r"other machines can reach 0\.0\.0\.0:[0-9]+ "):
            service.start()
        assert service.wait() == Exit.CONFIGURATION
        service.close()


def test_a_defect_is_logged_without_the_token(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    class DefectError(Exception): ...

    class DefectiveStore(MemoryStore):
        def get(self, *_arguments: object) -> list[None]:
            raise DefectError

    file = tmp_path / "tokens"
    secret = write_tokens(file, shop="read")["shop"]
    store = DefectiveStore()
    application = create_app(store, HttpSettings("USD", HostRule(), TokenFile(file)))
    with (
        caplog.at_level(logging.DEBUG),
        served(GatheringServer(application, store, listen("127.0.0.1", 0))) as port,
        connected_to("127.0.0.1", port) as wire,
    ):
        wire.send(raw("GET", "/orders/A-1", f"Authorization: Bearer {secret}"))
        answer = wire.receive()
    assert answer.status == 500
    assert "DefectError" in caplog.text
    assert secret.removeprefix("orders_") not in caplog.text + answer.body.decode()
