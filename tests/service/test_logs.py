"""Logs: one JSON object a line, ASCII, with the caller's extra values."""

import json
import logging
from io import StringIO
from typing import Any

import pytest

from orders_service.logs import JsonFormatter


class Log(logging.Logger):
    """A separate logger whose lines can be read."""

    def __init__(self) -> None:
        super().__init__("orders_service.test", logging.INFO)
        self.written = StringIO()
        handler = logging.StreamHandler(self.written)
        handler.setFormatter(JsonFormatter())
        self.addHandler(handler)

    def only_line(self) -> dict[str, Any]:
        """Read the only logged line."""
        text = self.written.getvalue()
        assert text.isascii()
        assert text.count("\n") == 1
        members: dict[str, Any] = json.loads(text)
        return members


@pytest.fixture
def log() -> Log:
    """An unused logger."""
    return Log()


def test_a_record_is_one_json_object(log: Log) -> None:
    log.info("hello %s", "world")
    members = log.only_line()
    del members["time"]
    assert members == {"level": "info", "logger": "orders_service.test", "message": "hello world"}


def test_the_time_is_that_of_the_record_in_utc_and_milliseconds() -> None:
    record = logging.makeLogRecord({"created": 1_767_225_600.0625})
    assert json.loads(JsonFormatter().format(record))["time"] == "2026-01-01T00:00:00.062+00:00"


def test_extra_values_become_members(log: Log) -> None:
    log.warning("slow", extra={"seconds": 1.5, "reason": "timeout", "path": object})
    members = log.only_line()
    assert (members["seconds"], members["reason"]) == (1.5, "timeout")
    assert members["path"] == str(object)


def test_any_text_stays_on_one_line_of_ascii(log: Log) -> None:
    text = 'é\n\r\u2028\x1b[31m" 😀'
    log.warning("%s", text, extra={"id": text})
    members = log.only_line()
    assert members["message"] == members["id"] == text


def test_a_warning_has_the_error_without_its_traceback(log: Log) -> None:
    log.warning("failed", exc_info=ValueError("why"))
    members = log.only_line()
    assert members["error"] == "why"
    assert "traceback" not in members


def test_an_error_has_its_traceback(log: Log) -> None:
    def fail() -> None:
        raise ValueError("why")

    try:
        fail()
    except ValueError:
        log.exception("failed")
    members = log.only_line()
    assert members["error"] == "why"
    assert members["traceback"].endswith("ValueError: why")
    assert __name__.rpartition(".")[2] in members["traceback"]


def test_an_error_outside_of_an_exception_has_no_traceback(log: Log) -> None:
    log.error("failed", exc_info=True)  # noqa: LOG014 - what is tested
    assert "error" not in log.only_line()


def test_a_lone_surrogate_is_escaped_too() -> None:
    record = logging.makeLogRecord({"name": "other", "msg": "\ud800", "levelno": logging.INFO})
    line = JsonFormatter().format(record)
    assert line.isascii()
    assert json.loads(line)["message"] == "\ud800"
