"""Logs: one JSON object a line on standard error, ASCII only, without secrets or bodies."""

import json
import logging
import sys
import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, TextIO

_LOG: Final = logging.getLogger(__name__)

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object, whose members include the caller's `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record; only errors have a traceback."""
        members: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        members.update(
            (name, value) for name, value in vars(record).items() if name not in _STANDARD
        )
        if record.exc_info and record.exc_info[1] is not None:
            members["error"] = str(record.exc_info[1])
            if record.levelno >= logging.ERROR:
                members["traceback"] = self.formatException(record.exc_info)
        return json.dumps(members, default=str)


class _LogHandler(logging.StreamHandler[TextIO]):
    """Writes records. If one cannot be written, it logs that as a record, not as text."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """Log the defect of a caller. Do nothing if standard error itself fails."""
        error = sys.exception()
        if not isinstance(error, OSError):
            message = "a log record could not be written"
            where = f"{record.pathname}:{record.lineno}"
            args = (_LOG.name, logging.ERROR, __file__, 0, message, (), None)
            self.emit(_LOG.makeRecord(*args, extra={"where": where, "error": repr(error)}))


def configure_logs() -> None:
    """Send the logs of the process to standard error. Called once, by the command."""
    handler = _LogHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # Waitress warns when one probe waits for another, which is normal.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)


def log_what_python_prints() -> None:
    """Log what Python would print as text: uncaught exceptions and warnings."""
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    sys.unraisablehook = _log_unraisable
    threading.excepthook = _log_uncaught_in_thread


def _log_uncaught(
    _kind: type[BaseException],
    error: BaseException,
    _traceback: TracebackType | None,
) -> None:
    _LOG.critical("uncaught exception", exc_info=error)


def _log_unraisable(found: "sys.UnraisableHookArgs") -> None:
    where = found.err_msg or f"in {found.object!r}"
    _LOG.error("Python ignored an exception", extra={"where": where}, exc_info=found.exc_value)


def _log_uncaught_in_thread(found: threading.ExceptHookArgs) -> None:
    _LOG.error(
        "uncaught exception in a thread",
        extra={"thread_name": getattr(found.thread, "name", None)},
        exc_info=found.exc_value,
    )
