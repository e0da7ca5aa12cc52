"""Logs: one JSON object a line on standard error, ASCII only, without secrets or bodies."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object; what a caller passes as `extra` becomes members."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record, without its traceback unless it is an error."""
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


def configure_logs() -> None:
    """Send the logs of the whole process to standard error. Called once, by the command."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # That one probe waits for another, or for its thread to start, is no news.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
