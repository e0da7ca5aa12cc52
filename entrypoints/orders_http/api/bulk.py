"""Reads a body of many orders (NDJSON or CSV), and reports each wrong line."""

import io
from collections.abc import Sequence
from typing import Any, Final

from orders_core import OrderConflict
from orders_core.characters import quoted
from orders_http.api.http_messages import KIB
from orders_http.api.problems import Problem, ProblemType
from orders_records import (
    Batch,
    BatchBuilder,
    MalformedRecord,
    MediaType,
    WrongFormat,
    read_batches,
)

MAX_BULK_BYTES: Final = 1024 * KIB
MAX_BULK_ROWS: Final = 1_000


def read_bulk(content: bytes, media_type: MediaType) -> Batch:
    """Read the orders of a body.

    Raises:
        Problem: 413 when there are too many orders, else 400 or 422 with every wrong line.
    """
    builder = BatchBuilder()
    try:
        # The body is complete: it has its announced length, or ended with its last chunk.
        for batch in read_batches(io.BytesIO(content), media_type, whole=True, size=64 * KIB):
            builder.add_batch(batch)
            if builder.records > MAX_BULK_ROWS:
                raise Problem(
                    ProblemType.BODY_TOO_LARGE,
                    f"the body has more than {MAX_BULK_ROWS} orders, the maximum per request; "
                    "blank lines count as well",
                )
    except WrongFormat as error:
        raise _problem(ProblemType.MALFORMED_BODY, [_line_error(1, str(error))]) from None
    if builder.refusals:
        malformed = any(isinstance(each.problem, MalformedRecord) for each in builder.refusals)
        raise _problem(
            ProblemType.MALFORMED_BODY if malformed else ProblemType.INVALID_ORDER,
            [
                _line_error(each.first_line, str(each.problem), each.last_line)
                for each in builder.refusals
            ],
        )
    return builder.batch()


def bulk_conflict(conflict: OrderConflict, lines: Sequence[int]) -> Problem:
    """Report each order of a body that is in conflict.

    Args:
        conflict: Names the orders.
        lines: The line of each order of the body.
    """
    where = "is stored, or is on an earlier line, with another amount"
    errors = [
        _line_error(lines[position], f"order {quoted(order_id)} {where}")
        for position, order_id in zip(conflict.positions, conflict.ids, strict=True)
    ]
    return _problem(ProblemType.ORDER_CONFLICT, errors)


def _line_error(line: int, detail: str, last_line: int | None = None) -> dict[str, Any]:
    """Describe a wrong record; only a record of several lines has a last line."""
    if last_line is None or last_line == line:
        return {"line": line, "detail": detail}
    return {"line": line, "last_line": last_line, "detail": detail}


def _problem(problem_type: ProblemType, errors: Sequence[dict[str, Any]]) -> Problem:
    first = errors[0]
    lines = f"line {first['line']}"
    if "last_line" in first:
        lines = f"lines {first['line']} to {first['last_line']}"
    more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
    detail = f"nothing was stored: {lines}: {first['detail']}{more}"
    return Problem(problem_type, detail, tuple(errors))
