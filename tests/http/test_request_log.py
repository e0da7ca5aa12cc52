"""The request log: limited in lines per second, and without secrets."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from orders_http.api.application import HttpSettings, create_app
from orders_http.api.hosts import HostRule
from orders_http.api.request_log import RequestLog
from orders_memory import MemoryStore
from tests.http.hostile_requests import HOST, head
from tests.http.wire import connected
from tests.http.wsgi_client import WsgiClient
from tests.service_process import RunningService, running_service

LOGGER = "orders_http.api.request_log"
CANARY = "canary"


@define
class Busy:
    """A request log with a clock."""

    lines_per_second: int
    now: float = 0.0
    told: list[tuple[int, int]] = field(factory=list)
    log: RequestLog = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.log = RequestLog(self.lines_per_second, lambda: self.now)

    def answer(self, status: int) -> None:
        """Let a request be answered."""
        if self.log.admits(status):
            self.log.write({}, {"status": status})

    def lines(self, caplog: pytest.LogCaptureFixture) -> list[tuple[int, int]]:
        """Return the status and the omissions of each line."""
        return [(vars(each)["status"], vars(each)["omitted"]) for each in caplog.records]


@pytest.fixture(autouse=True)
def _heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOGGER)


def test_lines_per_second_are_limited_and_the_next_line_counts_the_omitted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    busy = Busy(2)
    for now in (0.0, 0.1, 0.2, 0.3, 0.9, 1.0, 1.1, 1.2, 5.0):
        busy.now = now
        busy.answer(200)
    assert busy.lines(caplog) == [(200, 0), (200, 0), (200, 3), (200, 0), (200, 1)]


def test_failures_have_a_separate_limit(caplog: pytest.LogCaptureFixture) -> None:
    busy = Busy(1)
    for status in (200, 404, 503, 201, 500, 503):
        busy.answer(status)
    busy.now = 1.0
    for status in (499, 500):
        busy.answer(status)
    assert busy.lines(caplog) == [(200, 0), (503, 0), (499, 2), (500, 2)]


def test_a_limit_of_0_writes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    busy = Busy(0)
    for busy.now in (0.0, 2.0):
        busy.answer(200)
        busy.answer(500)
    assert busy.lines(caplog) == []


@given(
    st.integers(1, 5),
    st.lists(st.tuples(st.sampled_from([200, 404, 500, 503]), st.floats(0, 2)), max_size=60),
)
def test_every_request_is_logged_or_counted_and_no_second_exceeds_twice_the_limit(
    lines_per_second: int,
    answers: list[tuple[int, float]],
) -> None:
    times: list[float] = []
    left_out = 0
    now = 0.0
    log = RequestLog(lines_per_second, lambda: now)
    for status, pause in answers:
        now += pause
        if status < 500:
            if log.admits(status):
                times.append(now)
            else:
                left_out += 1
    assert len(times) + left_out == sum(status < 500 for status, _ in answers)
    for start in times:
        within = [each for each in times if start <= each < start + 1.0]
        assert len(within) <= 2 * lines_per_second


def line(
    caplog: pytest.LogCaptureFixture,
    method: str,
    target: str,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Send a request, and return the extra members of its one line."""
    application = create_app(MemoryStore(), HttpSettings("USD", HostRule(), log_requests=1))
    client = WsgiClient(application, {"REMOTE_ADDR": "192.0.2.7"})
    client.request(method, target, headers={"X-Request-Id": "logged", **(headers or {})})
    (record,) = [each for each in caplog.records if each.name == LOGGER]
    plain = vars(logging.makeLogRecord({})).keys() | {"message"}
    assert record.getMessage() == "request"
    return {name: value for name, value in vars(record).items() if name not in plain}


def test_a_line_describes_the_request_and_its_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = line(caplog, "GET", "/orders")
    assert 0 <= found.pop("seconds") < 60
    assert found == {
        "request_id": "logged",
        "method": "GET",
        "route": "/orders",
        "status": 200,
        "bytes": 2,
        "client": "192.0.2.7",
        "omitted": 0,
    }


def test_a_line_has_the_traceparent_of_the_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    assert line(caplog, "GET", "/orders", {"traceparent": trace})["traceparent"] == trace


@pytest.mark.parametrize(
    ("method", "target", "told"),
    [
        ("GET", f"/orders/{CANARY}", ("GET", "/orders/<id>", 404)),
        ("GET", f"/orders?id={CANARY}", ("GET", "/orders", 404)),
        ("GET", f"/{CANARY}", ("GET", "(none)", 404)),
        ("PATCH", f"/orders/{CANARY}", ("(other)", "(none)", 405)),
    ],
)
def test_a_line_has_no_data_of_the_client(
    caplog: pytest.LogCaptureFixture,
    method: str,
    target: str,
    told: tuple[str, str, int],
) -> None:
    secrets = dict.fromkeys(("Authorization", "Cookie", "Referer", "User-Agent", "Host"), CANARY)
    headers = {**secrets, "Host": "localhost", "traceparent": CANARY}
    found = line(caplog, method, target, headers)
    assert (found["method"], found["route"], found["status"]) == told
    assert CANARY not in str(found).lower()


def requests_logged(service: RunningService) -> list[dict[str, Any]]:
    lines = [json.loads(text) for text in service.errors().splitlines()]
    return [each for each in lines if each["message"] == "request"]


def test_the_running_service_logs_answered_and_refused_requests(tmp_path: Path) -> None:
    with running_service(f"sqlite:///{tmp_path}/orders.db") as service:
        with connected(service) as wire:
            wire.send(head("GET /health HTTP/1.1", HOST, "X-Request-Id: first"))
            assert wire.receive().status == 200
            large = "Content-Length: 99999999"
            wire.send(head("POST /orders HTTP/1.1", HOST, "X-Request-Id: second", large))
            assert wire.receive().status == 413
        found = requests_logged(service)
    told = [(each["request_id"], each["method"], each["route"], each["status"]) for each in found]
    assert told == [("first", "GET", "/health", 200), ("second", "POST", "(none)", 413)]
    assert {each["client"] for each in found} == {"127.0.0.1"}


def test_the_running_service_does_not_log_requests_if_disabled(tmp_path: Path) -> None:
    settings = {"ORDERS_LOG_REQUESTS": "0"}
    with running_service(f"sqlite:///{tmp_path}/orders.db", settings) as service:
        with connected(service) as wire:
            wire.send(head("GET /health HTTP/1.1", HOST))
            assert wire.receive().status == 200
        assert requests_logged(service) == []
