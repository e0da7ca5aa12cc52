"""Sessions of the page, and the limits of their cookie."""

import hashlib
from collections.abc import Mapping
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from attrs import define
from hypothesis import assume, given
from hypothesis import strategies as st

from orders_http.api.http_messages import Request
from orders_http.api.page.sessions import COOKIE, HOST_PREFIX, SESSION_SECONDS, Sessions
from orders_tokens import Scope, Token, TokenFile, new_secret
from tests.token_files import put, watched, write_tokens

GUARDED = f"{HOST_PREFIX}{COOKIE}"


def request(**headers: str) -> Request:
    """Make a request with headers."""
    return Request({f"HTTP_{name.upper()}": value for name, value in headers.items()})


@define
class Desk:
    """Sessions with a clock that the test sets."""

    path: Path
    secrets: Mapping[str, str]
    now: float = 1_800_000_000.5

    def sessions(self) -> Sessions:
        """Return the sessions as another process has them."""
        return Sessions(watched(self.path), lambda: self.now)

    def value(self, name: str) -> str:
        """Begin a session and give the value of its cookie."""
        token = TokenFile(self.path).named(name)
        assert token is not None
        header, text = self.sessions().begin(token, self.secrets[name], request())
        assert header == "Set-Cookie"
        return SimpleCookie(text)[GUARDED].value

    def visitor(self, value: str) -> str | None:
        """Return the name of the token that a cookie stands for."""
        token = self.sessions().token(request(cookie=f"{COOKIE}={value}"))
        return None if token is None else token.name


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Two tokens."""
    path = tmp_path / "tokens"
    return Desk(path, write_tokens(path, shop="read,write", other="read"))


@pytest.fixture(scope="module")
def steady_desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Two tokens that no test changes."""
    path = tmp_path_factory.mktemp("tokens") / "tokens"
    return Desk(path, write_tokens(path, **{"shop.1": "read,write", "other": "read"}))


def test_a_session_is_valid_in_every_process_with_the_same_file(desk: Desk) -> None:
    assert desk.visitor(desk.value("shop")) == "shop"
    assert desk.visitor(desk.value("other")) == "other"


def test_a_session_ends_after_half_a_day(desk: Desk) -> None:
    value = desk.value("shop")
    desk.now += SESSION_SECONDS - 1
    assert desk.visitor(value) == "shop"
    desk.now += 1
    assert desk.visitor(value) is None


def test_a_session_ends_when_its_token_is_revoked_or_replaced(desk: Desk) -> None:
    value = desk.value("shop")
    put(desk.path, "# nobody\n")
    assert desk.visitor(value) is None
    write_tokens(desk.path, shop="read,write")
    assert desk.visitor(value) is None


def test_a_session_has_the_current_scopes_of_its_token(desk: Desk) -> None:
    value = desk.value("shop")
    lines = desk.path.read_text().replace("read,write", "read")
    put(desk.path, lines)
    token = desk.sessions().token(request(cookie=f"{COOKIE}={value}"))
    assert token is not None
    assert token.scopes == {Scope.READ}


def test_the_cookie_reveals_neither_the_token_nor_its_hash(desk: Desk) -> None:
    value, secret = desk.value("shop"), desk.secrets["shop"]
    assert secret.removeprefix("orders_") not in value
    assert hashlib.sha256(secret.encode()).hexdigest() not in value


@given(st.data())
def test_a_changed_cookie_is_invalid(steady_desk: Desk, data: st.DataObject) -> None:
    value = steady_desk.value("shop.1")
    name, ends, sealed = value.rsplit(".", 2)
    later = st.integers(0, 10**12).map(lambda end: f"{name}.{end}.{sealed}")
    elsewhere = st.sampled_from([f"other.{ends}.{sealed}", f"{name}.{ends}.{sealed.upper()}"])
    place = data.draw(st.integers(0, len(value) - 1))
    replaced = st.characters(codec="ascii", exclude_categories=["Cc"]).map(
        lambda other: value[:place] + other + value[place + 1 :],
    )
    changed = data.draw(later | elsewhere | replaced | st.just(value[:-1]) | st.just(value + "0"))
    assume(changed != value)
    # A semicolon ends a cookie, and blanks around it are ignored.
    assume(";" not in changed)
    assume(changed.strip() != value)
    assert steady_desk.visitor(changed) is None


@given(st.binary(min_size=32, max_size=32))
def test_the_file_alone_does_not_yield_a_session(steady_desk: Desk, bits: bytes) -> None:
    token = TokenFile(steady_desk.path).named("shop.1")
    assert token is not None
    # The contents of the file tell how to encrypt, but not what.
    _, text = steady_desk.sessions().begin(token, f"orders_{bits.hex()}", request())
    assert steady_desk.visitor(SimpleCookie(text)[GUARDED].value) is None
    _, text = steady_desk.sessions().begin(token, f"orders_{token.digest.hex()}", request())
    assert steady_desk.visitor(SimpleCookie(text)[GUARDED].value) is None


@given(st.text(st.characters(codec="latin-1")))
def test_no_other_cookie_is_a_valid_session(steady_desk: Desk, text: str) -> None:
    for cookie in (text, f"{COOKIE}={text}", f"{COOKIE}=shop.1.{text}"):
        assert steady_desk.sessions().token(request(cookie=cookie)) is None


def test_the_cookie_is_found_among_others(desk: Desk) -> None:
    value = desk.value("shop")
    for cookie in (
        f"a=b; {COOKIE}={value}; c=d",
        f"x{COOKIE}=1;{COOKIE}={value}",
        f"{COOKIE}={value}; {COOKIE}=another",
        f"{COOKIE}=another; {COOKIE}={value}",
        f"{COOKIE}=; {COOKIE}=another;; {COOKIE}={value}",
        f"{GUARDED}={value}",
        f"{GUARDED}=another; {COOKIE}={value}",
        f"{GUARDED}=another; {GUARDED}={value}",
    ):
        token = desk.sessions().token(request(cookie=cookie))
        assert token is not None
        assert token.name == "shop"


def test_of_two_valid_sessions_the_prefixed_cookie_counts(desk: Desk) -> None:
    shop, other = desk.value("shop"), desk.value("other")
    token = desk.sessions().token(request(cookie=f"{COOKIE}={other}; {GUARDED}={shop}"))
    assert token is not None
    assert token.name == "shop"


def test_below_a_path_the_cookie_is_limited_to_it(desk: Desk) -> None:
    secret = new_secret()
    token = Token.of_secret("shop", [Scope.READ], secret)
    for scheme, name in (("https", f"__Secure-{COOKIE}"), ("http", COOKIE)):
        mounted = Request({"SCRIPT_NAME": "/shop", "HTTP_ORIGIN": f"{scheme}://localhost"})
        _, text = desk.sessions().begin(token, secret, mounted)
        assert SimpleCookie(text)[name]["path"] == "/shop"
        for _, text in desk.sessions().end(mounted):
            (cookie,) = SimpleCookie(text).values()
            assert (cookie["path"], cookie["max-age"]) == ("/shop", "0")


def test_the_cookie_of_a_path_is_a_session_there(desk: Desk) -> None:
    mounted = {"SCRIPT_NAME": "/shop", "HTTP_COOKIE": f"__Secure-{COOKIE}={desk.value('shop')}"}
    assert desk.sessions().token(Request(mounted)) is not None


def test_a_request_without_a_cookie_has_no_session(desk: Desk) -> None:
    assert desk.sessions().token(request()) is None


@pytest.mark.parametrize(
    ("headers", "secure"),
    [
        ({"origin": "https://orders.example"}, True),
        ({"origin": "http://localhost:8000"}, False),
        ({"origin": "HTTP://localhost:8000"}, False),
        ({"origin": "http://localhost", "x_forwarded_proto": "https"}, False),
        ({"referer": "http://localhost:8000/login"}, False),
        ({"origin": "https://orders.example", "x_forwarded_proto": "http"}, True),
        # A browser that sends no Origin gets the stricter cookie.
        ({}, True),
    ],
)
def test_the_cookie_is_strict_http_only_and_secure_over_tls(
    desk: Desk,
    headers: dict[str, str],
    secure: bool,  # noqa: FBT001 - an example
) -> None:
    secret = new_secret()
    token = Token.of_secret("shop", [Scope.READ], secret)
    sessions = desk.sessions()
    begun = sessions.begin(token, secret, request(**headers))
    ended = sessions.end(request(**headers))
    name = GUARDED if secure else COOKIE
    assert [list(SimpleCookie(text)) for _, text in ended] == (
        [[GUARDED], [COOKIE]] if secure else [[COOKIE]]
    )
    for _, text in (begun, *ended):
        (cookie,) = SimpleCookie(text).values()
        assert (cookie["path"], cookie["samesite"]) == ("/", "Strict")
        assert cookie["httponly"]
        assert bool(cookie["secure"]) is secure
        assert cookie["domain"] == ""
    assert SimpleCookie(begun[1])[name]["max-age"] == ""
    for _, text in ended:
        (cookie,) = SimpleCookie(text).values()
        assert (cookie["max-age"], cookie.value) == ("0", "")
