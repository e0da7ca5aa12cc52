"""Allowed Host headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders_http.api.hosts import HostRule
from orders_http.api.problems import Problem, ProblemType

PORTS = st.sampled_from(["", ":", ":80", ":65535"])


def refusal(rule: HostRule, host: str | None) -> ProblemType | None:
    try:
        rule.check(host)
    except Problem as problem:
        return problem.type
    return None


@given(st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map("[{}]".format), PORTS)
def test_every_address_is_allowed(address: str, port: str) -> None:
    assert refusal(HostRule(), address + port) is None
    assert refusal(HostRule(), address.upper() + port) is None


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost",
        "localhost:8000",
        "localhost.",
        "localhost.:8000",
        "127.0.0.1.",
        None,
    ],
)
def test_localhost_is_allowed(host: str | None) -> None:
    assert refusal(HostRule(), host) is None


@given(st.from_regex(r"[a-z][a-z0-9-]{0,20}(\.[a-z][a-z0-9-]{0,20}){0,3}", fullmatch=True), PORTS)
def test_a_name_is_allowed_only_if_it_is_listed(name: str, port: str) -> None:
    assert refusal(HostRule(frozenset({name})), name.upper() + port) is None
    assert refusal(HostRule(frozenset({name})), f"{name}.{port}") is None
    assert refusal(HostRule(frozenset({"*"})), name + port) is None
    expected = None if name == "localhost" else ProblemType.MISDIRECTED_REQUEST
    assert refusal(HostRule(frozenset({f"x{name}"})), name + port) is expected


@pytest.mark.parametrize(
    "host",
    [
        "",
        ":80",
        "a b",
        "a/b",
        "a@b",
        "user:pass@localhost",
        "localhost:80:80",
        "localhost:x",
        "localhost:-1",
        "localhost:123456",
        "localhost\n",
        "[::1",
        "::1",
        "[::1]x",
        "[fe80::1%25eth0]",
        "löcalhost",
        "localhost,localhost",
        "127.0.0.1#",
        "%6cocalhost",
    ],
)
def test_an_invalid_host_is_malformed(host: str) -> None:
    assert refusal(HostRule(frozenset({"*"})), host) is ProblemType.MALFORMED_REQUEST


@pytest.mark.parametrize("host", ["localhost..", ".", "0x7f000001", "2130706433", "127.1", "[::g]"])
def test_a_name_that_resembles_localhost_is_refused(host: str) -> None:
    assert refusal(HostRule(), host) in {
        ProblemType.MISDIRECTED_REQUEST,
        ProblemType.MALFORMED_REQUEST,
    }
