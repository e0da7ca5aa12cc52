"""An outage of the store is logged when it begins, regularly while it lasts, and when it ends."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from orders_core import Reason, StoreUnavailable
from orders_service.outages import QUIET_SECONDS, OutageLog

Line = tuple[str, int, float]


@define
class Told:
    """An outage log whose clock a test sets."""

    now: float = 100.0
    log: OutageLog = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.log = OutageLog(lambda: self.now)

    def fail(self, after: float = 0.0, operation: str = "add") -> None:
        self.now += after
        self.log.failed(operation, StoreUnavailable(Reason.UNREACHABLE, "nobody there"))

    def succeed(self, after: float = 0.0, seconds: float = 0.0) -> None:
        self.now += after
        self.log.succeeded(seconds)


def lines(caplog: pytest.LogCaptureFixture) -> list[Line]:
    found: list[Line] = []
    for record in caplog.records:
        members: dict[str, Any] = vars(record)
        found.append((record.getMessage(), members["failures"], members["seconds"]))
    return found


def test_its_begin_is_logged_immediately_with_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    Told().fail(operation="get")
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == ("WARNING", "store unavailable")
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "nobody there"
    members = vars(record)
    assert (members["reason"], members["operation"]) == ("unreachable", "get")


def test_during_an_outage_one_line_in_ten_seconds_counts_the_failures(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = Told()
    for after in (0.0, 1.0, 1.0, 8.0, 5.0, 4.75, 0.25, 25.0):
        told.fail(after)
    assert lines(caplog) == [
        ("store unavailable", 1, 0.0),
        ("store unavailable", 3, 10.0),
        ("store unavailable", 3, 20.0),
        ("store unavailable", 1, 45.0),
    ]


def test_its_end_is_logged_with_its_duration(caplog: pytest.LogCaptureFixture) -> None:
    told = Told()
    told.succeed()
    told.fail()
    told.fail(after=2.0)
    told.succeed(after=1.5)
    told.succeed(after=1.0)
    assert lines(caplog) == [("store unavailable", 1, 0.0), ("store available again", 1, 3.5)]


def test_a_success_begun_before_the_last_failure_ends_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = Told()
    told.fail()
    told.succeed(after=1.0, seconds=1.5)
    assert lines(caplog) == [("store unavailable", 1, 0.0)]
    told.succeed(seconds=0.5)
    assert lines(caplog)[1:] == [("store available again", 0, 1.0)]


def test_quick_short_outages_are_counted_instead_of_logged_singly(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = Told()
    for _ in range(50):
        told.fail(after=0.0625)
        told.succeed(after=0.0625)
    told.fail(after=QUIET_SECONDS)
    assert lines(caplog) == [
        ("store unavailable", 1, 0.0),
        ("store available again", 0, 0.062),
        ("store unavailable", 50, 0.0),
    ]


@define
class Heard:
    """Lines that were logged, and when."""

    told: Told
    lines: list[tuple[float, int]] = field(factory=list)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Collect what is logged in the block."""
        handler = logging.Handler()
        handler.emit = lambda record: self.lines.append(  # type: ignore[method-assign]  # to hear
            (self.told.now, vars(record)["failures"])
        )
        logger = logging.getLogger("orders_service.outages")
        logger.addHandler(handler)
        yield
        logger.removeHandler(handler)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 400)), max_size=60))
def test_every_failure_is_counted_and_no_ten_seconds_have_more_than_three_lines(
    drawn: list[tuple[bool, int]],
) -> None:
    told = Told()
    heard = Heard(told)
    with heard.listening():
        for fails, sixteenths in drawn:
            if fails:
                told.fail(sixteenths / 16)
            else:
                told.succeed(sixteenths / 16)
        told.fail(QUIET_SECONDS)
    assert sum(failures for _, failures in heard.lines) == sum(fails for fails, _ in drawn) + 1
    for start, _ in heard.lines:
        assert sum(start <= now < start + QUIET_SECONDS for now, _ in heard.lines) <= 3
